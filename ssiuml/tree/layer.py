"""Layers: the changes of one build step to the tree, as an immutable tar archive.

The archive is POSIX pax (IEEE Std 1003.1) without compression, so that the bytes of a file are one extent of
it. A removal is a whiteout as in the OCI image layer specification: an empty file ``.wh.NAME`` in the folder
of NAME. Extended attributes are pax records ``SCHILY.xattr.NAME``, as GNU tar writes and reads them. The same
entries give the same bytes.
"""

import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES, replacing
from ssiuml.tree.members import TYPE_OF_KIND, VOLUME_LABEL, MemberError, end_of_data, name_of, read_node
from ssiuml.tree.pax import NS, RecordError, pax_keyword
from ssiuml.tree.sparse import sparse_data
from ssiuml.tree.tarheader import Header
from ssiuml.tree.tree import Kind, Node, Tree, TreeError, directory, parts_of

WHITEOUT: Final = ".wh."
SPARSE_BYTES: Final = 1 << 20  # a smaller file is never stored as a sparse one


class LayerError(SsiumlError):
    """An archive cannot be read as a layer, or a layer cannot be written or applied to a tree."""


@dataclass(slots=True)
class Layer:
    """The changes of one step: first it removes paths, then it adds or replaces entries in their order."""

    entries: list[tuple[str, Node]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def add(self, path: str, node: Node) -> None:
        """Add a file, directory, link or device. Directories above it need no entry."""
        self.entries.append(("/".join(parts_of(path)), node))

    def apply(self, tree: Tree) -> None:
        """Apply the changes to *tree*. Raise LayerError if a path to remove is not in it."""
        for path in self.removed:
            if tree.find(path, follow=False) is None:
                raise LayerError(f"/{path}: a layer removes it, but it is not in the tree")
            tree.remove(path)
        for path, node in self.entries:
            # A copy: the tree adds children to its directories, and the layer must not change.
            tree.add(path, directory(node.meta) if node.kind is Kind.DIRECTORY else node)


def merge(layers: Iterable[Layer]) -> Tree:
    """Return a new tree with *layers* applied in turn, the lowest first."""
    tree = Tree()
    for layer in layers:
        layer.apply(tree)
    return tree


def write_layer(path: Path, layer: Layer) -> None:
    """Write *layer* as an archive, which appears at *path* when it is whole.

    Raise LayerError for names that would be read as whiteouts, and for what a tar archive cannot hold.
    """
    for name in [*layer.removed, *(name for name, _ in layer.entries)]:
        if posixpath.basename(name).startswith(WHITEOUT):
            raise LayerError(f"/{name}: a name that begins with '{WHITEOUT}' would be read as a whiteout")
    _write_tar(path, [*[(_whiteout(name), None) for name in sorted(layer.removed)], *layer.entries])


def _whiteout(path: str) -> str:
    names = parts_of(path)
    if not names or names[-1] == "..":
        raise LayerError(f"/{path}: cannot be removed by a layer")
    return "/".join([*names[:-1], WHITEOUT + names[-1]])


def write_tree(path: Path, tree: Tree, *, sparse: bool = False) -> None:
    """Write all of *tree* as an archive, which appears at *path* when it is whole.

    It is for programs that unpack archives: names that look like whiteouts are names like others. With
    *sparse*, files are stored without their zeros, as GNU tar and bsdtar do. Raise LayerError for what a tar
    archive cannot hold.
    """
    _write_tar(path, tree.walk(), sparse=sparse)


def _write_tar(path: Path, entries: Iterable[tuple[str, Node | None]], *, sparse: bool = False) -> None:
    first_name: dict[int, str] = {}
    by_name: dict[str, Node] = {}
    nodes: list[Node] = []  # keeps every node alive, so that an id stays unique
    with (
        replacing(path) as part,
        part.open("wb") as stream,
        tarfile.TarFile(
            fileobj=stream,
            mode="w",
            format=tarfile.PAX_FORMAT,
            encoding="utf-8",
            errors="surrogateescape",
            copybufsize=CHUNK_BYTES,
        ) as archive,
    ):
        for name, node in entries:
            if node is None:
                archive.addfile(tarfile.TarInfo(f"./{name}"))
                continue
            nodes.append(node)
            info = _member(name, node)
            first = first_name.setdefault(id(node), name)
            if by_name.get(first, node) is not node:  # a later entry has replaced that name
                first = first_name[id(node)] = name
            by_name[name] = node
            if first != name and node.kind is not Kind.DIRECTORY:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, f"./{first}", 0
            if info.size and node.content is not None:
                data = sparse_data(info, node.content) if sparse and info.size > SPARSE_BYTES else None
                archive.addfile(info, _ChunkReader(data or node.content.chunks()))  # type: ignore[arg-type]
            else:
                archive.addfile(info)


class _ChunkReader:
    """Gives tarfile a read(size) over chunks of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self._rest or next(self._chunks, b"")
            if not piece:
                break
            pieces.append(piece[:size])
            self._rest = piece[size:]
            size -= len(pieces[-1])
        return b"".join(pieces)


def _member(name: str, node: Node) -> tarfile.TarInfo:
    info = tarfile.TarInfo(f"./{name}" if name else ".")
    if node.kind not in TYPE_OF_KIND:
        raise LayerError(f"/{name}: is of kind '{node.kind.value}', which a tar archive cannot hold")
    info.type = TYPE_OF_KIND[node.kind]
    info.mode, info.uid, info.gid = node.meta.mode, node.meta.uid, node.meta.gid
    seconds, fraction = divmod(abs(node.meta.mtime_ns), NS)
    sign = "-" if node.meta.mtime_ns < 0 else ""
    info.mtime = int(f"{sign}{seconds}")
    info.size = node.size_bytes
    headers: dict[str, str] = {}
    if fraction:
        headers["mtime"] = f"{sign}{seconds}.{fraction:09d}"
    if node.kind is Kind.SYMLINK:
        info.linkname = node.target or ""
    if node.device is not None:
        info.devmajor, info.devminor = node.device
    for key, value in sorted(node.meta.xattrs.items()):
        headers[pax_keyword(key)] = value.decode("utf-8", "surrogateescape")
        if any("\udc80" <= letter <= "\udcff" for letter in key):  # tarfile cannot write those
            raise LayerError(f"/{name}: the name of its attribute {key!r} is no UTF-8")
    info.pax_headers = headers
    return info


def read_tree_archive(path: Path, name: str | None = None) -> Tree:
    """Read the archive of a whole tree, as GNU tar, bsdtar and write_tree make it; *name* is for messages.

    Names that look like whiteouts are names like others. Names and hard links follow symbolic links in the
    tree, as in unpacking. Raise LayerError as read_layer does, and if members contradict each other.
    """
    tree = Tree()

    def take(info: tarfile.TarInfo, names: list[str]) -> None:
        if info.type == tarfile.LNKTYPE:
            found = None if ".." in parts_of(info.linkname) else tree.find(info.linkname, follow=False)
            tree.add("/".join(names), _linked(info, found))
        else:
            tree.add("/".join(names), read_node(path, info))

    _read_archive(path, name or str(path), take)
    return tree


def read_layer(path: Path) -> Layer:
    """Read the headers of an archive as a layer. File contents stay in the archive, as extents of *path*.

    Raise LayerError, with archive and member, if the file is no tar archive, compressed or cut off, or if a
    member leads out of the tree (``..``), is a hard link to nothing or has something that no layer can hold.
    """
    layer = Layer()
    by_name: dict[str, Node] = {}

    def take(info: tarfile.TarInfo, names: list[str]) -> None:
        if names and names[-1].startswith(WHITEOUT):
            layer.removed.append(_removed(names))
            return
        name = "/".join(names)
        if info.type == tarfile.LNKTYPE:
            node = _linked(info, by_name.get("/".join(parts_of(info.linkname))))
        else:
            node = read_node(path, info)
        by_name[name] = node
        layer.entries.append((name, node))

    _read_archive(path, str(path), take)
    return layer


def _read_archive(path: Path, archive_name: str, take: Callable[[tarfile.TarInfo, list[str]], None]) -> None:
    """Call *take* with each member and the names in its path. Its errors get archive and member."""
    try:
        with tarfile.TarFile(path, encoding="utf-8", errors="surrogateescape", tarinfo=Header) as archive:
            for info in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep every header
                if info.type == VOLUME_LABEL:
                    continue
                try:
                    names = parts_of(name_of(info))
                    if ".." in names:
                        raise MemberError("leads out of the tree")
                    take(info, names)
                    archive.offset = end_of_data(info, archive.offset)
                except (MemberError, RecordError) as error:
                    message = f"{archive_name}: member '{name_of(info)}' {error.message}"
                    raise LayerError(message, hint=error.hint) from error
                except TreeError as error:
                    message = f"{archive_name}: member '{name_of(info)}' cannot be added: {error.message}"
                    raise LayerError(message, hint=error.hint) from error
        _check_end(path, archive_name, archive.offset)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        # tarfile raises the last two where a number or a text of a header is damaged.
        raise LayerError(f"{archive_name}: cannot be read as a tar archive: {error}") from error


def _check_end(path: Path, archive_name: str, end_bytes: int) -> None:
    # tarfile takes the end of the file for the end of the archive and would not notice a cut-off copy.
    with path.open("rb") as stream:
        stream.seek(end_bytes)
        tail = stream.read(tarfile.BLOCKSIZE)
    if len(tail) < tarfile.BLOCKSIZE or any(tail):
        raise LayerError(f"{archive_name}: is cut off: the archive does not end with a block of zeros")


def _removed(names: list[str]) -> str:
    removed = names[-1].removeprefix(WHITEOUT)
    if removed in ("", ".", "..") or removed.startswith(WHITEOUT):
        raise MemberError("is a whiteout without a name; opaque ones are not supported")
    return "/".join([*names[:-1], removed])


def _linked(info: tarfile.TarInfo, found: Node | None) -> Node:
    if found is None or found.kind is Kind.DIRECTORY:
        problem = "which is not before it" if found is None else "a directory"
        raise MemberError(f"is a hard link to '{info.linkname}', {problem}")
    return found
