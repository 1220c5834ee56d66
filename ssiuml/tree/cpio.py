"""cpio archives in the "new ASCII" format (newc), and the compressed ones that make up an initial RAM disk.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux. The kernel unpacks any number of
such archives, compressed or not, one after the other; each is a segment here. The standard library has no
cpio, and the format is a header of fourteen hexadecimal fields.
"""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import replacing
from ssiuml.tree.tree import Kind, Node, Tree, format_of_kind

MAGIC: Final = b"070701"
TRAILER: Final = "TRAILER!!!"
ALIGN: Final = 4
MAX_FIELD: Final = 0xFFFFFFFF  # eight hexadecimal digits
MAX_PATH_BYTES: Final = 4096  # PATH_MAX, with the NUL; the kernel skips entries with a longer name
NS: Final = 1_000_000_000
GZIP_LEVEL: Final = 6


def write_segment(path: Path, tree: Tree) -> None:
    """Write *tree* as one compressed cpio archive. The same tree gives the same bytes."""
    entries = ((name, node) for name, node in tree.walk() if name)
    with (
        replacing(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as stream,
    ):
        write_archive(stream, entries)  # type: ignore[arg-type]


def write_archive(stream: BinaryIO, entries: Iterable[tuple[str, Node]]) -> None:
    """Write (path, node) entries as one archive with its trailer.

    Every path gets an inode of its own: hard links become copies. Raise SsiumlError, with the path, for a
    file that the format cannot hold or the kernel does not unpack.
    """
    for number, (name, node) in enumerate(entries, start=1):
        _write_entry(stream, number, name, node)
    _write_header(stream, TRAILER)


def _write_entry(stream: BinaryIO, number: int, name: str, node: Node) -> None:
    target = (node.target or "").encode("utf-8", "surrogateescape")
    size = len(target) if node.kind is Kind.SYMLINK else node.size_bytes
    if size > MAX_FIELD:
        raise SsiumlError(f"/{name}: {size} bytes are too many for a cpio archive, at most {MAX_FIELD}")
    if name == TRAILER:
        raise SsiumlError(f"/{name}: a file of this name would end the archive")
    if len(name.encode("utf-8", "surrogateescape")) >= MAX_PATH_BYTES:
        raise SsiumlError(f"/{name}: the name is longer than the kernel unpacks, {MAX_PATH_BYTES - 1} bytes")
    meta = node.meta
    if max(meta.uid, meta.gid, meta.mtime_ns // NS) > MAX_FIELD:
        raise SsiumlError(
            f"/{name}: owner, group or time is over {MAX_FIELD}, which a cpio archive cannot hold"
        )
    _write_header(
        stream,
        name,
        ino=number,
        mode=format_of_kind(node.kind) | meta.mode,
        uid=meta.uid,
        gid=meta.gid,
        mtime=max(0, meta.mtime_ns // NS),
        size=size,
        device=node.device or (0, 0),
    )
    stream.write(target)
    if node.content is not None:
        for chunk in node.content.chunks():
            stream.write(chunk)
    stream.write(bytes(-size % ALIGN))


def _write_header(
    stream: BinaryIO,
    name: str,
    *,
    ino: int = 0,
    mode: int = 0,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    size: int = 0,
    device: tuple[int, int] = (0, 0),
) -> None:
    encoded = name.encode("utf-8", "surrogateescape") + b"\0"
    # ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize chksum
    fields = (ino, mode, uid, gid, 1, mtime, size, 0, 0, *device, len(encoded), 0)
    header = MAGIC + b"".join(b"%08X" % field for field in fields) + encoded
    stream.write(header + bytes(-len(header) % ALIGN))
