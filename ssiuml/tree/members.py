"""Members of tar archives as nodes of a tree. Contents stay in the archive."""

import tarfile
from pathlib import Path
from typing import Final, cast

from ssiuml.errors import SsiumlError
from ssiuml.tree.extents import Extents, Piece
from ssiuml.tree.pax import NS, check_records, mtime_ns_of, xattrs_of
from ssiuml.tree.tree import Content, Extent, Kind, Literal, Meta, Node

TYPE_OF_KIND: Final = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.CHARACTER: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}
VOLUME_LABEL: Final = b"V"  # of GNU tar: a name for the archive, not a member
_KIND_OF_TYPE: Final = {value: kind for kind, value in TYPE_OF_KIND.items()} | {
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
    tarfile.GNUTYPE_SPARSE: Kind.FILE,
}
_HINTS: Final = {
    b"M": "join the volumes, or pack it without --multi-volume",
    b"D": "pack it without --listed-incremental",
}


class MemberError(SsiumlError):
    """A member means something that a tree cannot hold, or is damaged. The message lacks its name."""


def name_of(info: tarfile.TarInfo) -> str:
    """Return the name of a member. That of a sparse one may be in a record of its own."""
    # tarfile prefers the record 'path', where GNU tar puts a name for programs that know no sparse files.
    return info.name if info.sparse is None else info.pax_headers.get("GNU.sparse.name", info.name)


def end_of_data(info: tarfile.TarInfo, next_bytes: int) -> int:
    """Return where the next header begins; *next_bytes* is where tarfile expects it.

    tarfile takes the length of the whole file for that of the stored data if a sparse member has a record
    'size', as members of more than 8 GiB have. Raise MemberError if map and data do not fit together.
    """
    if info.sparse is None:
        return next_bytes
    stored = sum(length for _, length in _sparse_map(info))
    end = info.offset_data + -(-stored // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    if end != next_bytes and "size" not in info.pax_headers:
        raise MemberError(
            f"is a sparse file with a map of {stored} bytes, but has {next_bytes - info.offset_data}"
        )
    return end


def read_node(path: Path, info: tarfile.TarInfo) -> Node:
    """Return the node of a member that is no hard link. Raise MemberError, RecordError or ValueError."""
    kind = _KIND_OF_TYPE.get(info.type)
    if kind is None or (info.sparse is not None and kind is not Kind.FILE):
        raise MemberError(f"has type {info.type!r}, which a layer cannot hold", hint=_HINTS.get(info.type))
    if info.size < 0:
        raise MemberError(f"has the size {info.size}")
    node = Node(kind, _meta(info, kind))
    if kind is Kind.FILE:
        node.content = _content(path, info)
    elif kind is Kind.SYMLINK:
        node.target = info.linkname
    elif kind in (Kind.CHARACTER, Kind.BLOCK):
        # bsdtar puts numbers that have no room in the header into records.
        node.device = (
            int(info.pax_headers.get("SCHILY.devmajor", info.devmajor)),
            int(info.pax_headers.get("SCHILY.devminor", info.devminor)),
        )
    return node


def _meta(info: tarfile.TarInfo, kind: Kind) -> Meta:
    mode = info.mode & 0o7777
    records = info.pax_headers
    if not records:
        return Meta(mode=mode, uid=info.uid, gid=info.gid, mtime_ns=int(info.mtime) * NS)
    check_records(records, is_sparse=info.sparse is not None)
    xattrs, mode = xattrs_of(records, mode, is_directory=kind is Kind.DIRECTORY)
    mtime_ns = mtime_ns_of(records)
    if mtime_ns is None:
        mtime_ns = int(info.mtime) * NS
    return Meta(mode=mode, uid=info.uid, gid=info.gid, mtime_ns=mtime_ns, xattrs=xattrs)


def _content(path: Path, info: tarfile.TarInfo) -> Content:
    if info.sparse is not None:
        return _sparse_content(path, info)
    return Extent(path, info.offset_data, info.size) if info.size else Literal(b"")


def _sparse_map(info: tarfile.TarInfo) -> list[tuple[int, int]]:
    # The type in typeshed is wrong: tarfile makes a list of offsets and lengths.
    pairs = cast("list[tuple[int, int]]", info.sparse)
    return [(offset, length) for offset, length in pairs if length]


def _sparse_content(path: Path, info: tarfile.TarInfo) -> Content:
    """Return the pieces of a sparse file. They lie one behind the other in the archive."""
    records = info.pax_headers
    size = int(records.get("GNU.sparse.realsize", records.get("GNU.sparse.size", info.size)))
    pieces: list[Piece] = []
    done, source = 0, info.offset_data
    for offset, length in _sparse_map(info):
        if source % tarfile.BLOCKSIZE != info.offset_data % tarfile.BLOCKSIZE:
            # GNU tar would go on at the next block, libarchive at the next byte.
            raise MemberError("is a sparse file with a piece, not the last, that does not end with a block")
        if offset < done or length < 0 or offset + length > size:
            raise MemberError(f"is a sparse file of {size} bytes with a wrong piece, {length} at {offset}")
        pieces.append((offset, source, length))
        done, source = offset + length, source + length
    return Extents(path, size, tuple(pieces)) if size else Literal(b"")
