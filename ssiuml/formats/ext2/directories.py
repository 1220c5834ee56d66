"""Reads the names in a directory in their order on the disk. Blocks of an index look like unused entries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.ext2.blocks import runs_of
from ssiuml.formats.ext2.filesystem import Filesystem
from ssiuml.formats.ext2.inodes import Inode
from ssiuml.formats.ext2.structures import DirectoryEntry
from ssiuml.tree.tree import Kind

_HEADER_BYTES: Final = DirectoryEntry.size_bytes()
# linux/include/linux/fs_types.h: FT_*; 0 is FT_UNKNOWN.
_KINDS: Final = {
    0: None,
    1: Kind.FILE,
    2: Kind.DIRECTORY,
    3: Kind.CHARACTER,
    4: Kind.BLOCK,
    5: Kind.FIFO,
    6: Kind.SOCKET,
    7: Kind.SYMLINK,
}
_LARGEST_LENGTHS: Final = (0, 0xFFFF)  # both stand for 65,536, for which rec_len has no room
_LARGEST_BLOCK: Final = 0x10000
_PARENT_BYTES: Final = 4  # an inline directory begins with its parent's inode in place of '.' and '..'


@dataclass(frozen=True, slots=True)
class Name:
    """An entry of a directory. *where* is its block or inode, *kind* is None if the entry has no type."""

    where: str
    name: bytes
    inode: int
    kind: Kind | None


def read_directory(filesystem: Filesystem, inode: Inode, inline: bytes, parent: int) -> Iterator[Name]:
    """Yield the names in a directory except '.' and '..', which must lead to itself and to *parent*.

    *inline* is the part of an inline directory that does not fit into i_block. Raise Ext2Error at the first
    defect.
    """
    dots: dict[bytes, int] = {}
    for where, data in _regions(filesystem, inode, inline, dots):
        for name in _records(filesystem, where, data):
            if name.name not in (b".", b".."):
                yield name
                continue
            if name.name in dots:
                raise filesystem.damaged(where, "dirent", f"{name.name!r} is there twice")
            dots[name.name] = name.inode
    for dot, wanted in ((b".", inode.number), (b"..", parent)):
        if dots.get(dot) != wanted:
            leads = f"leads to inode {dots[dot]}" if dot in dots else "is missing"
            raise filesystem.damaged(
                inode.where, "directory", f"{dot!r} {leads}, it should lead to inode {wanted}"
            )


def _regions(
    filesystem: Filesystem, inode: Inode, inline: bytes, dots: dict[bytes, int]
) -> Iterator[tuple[str, bytes]]:
    """Yield the blocks with entries, or the pieces of an inline directory, whose dots are put into *dots*."""
    size, block_size = inode.size_bytes, filesystem.block_size
    if inode.is_inline:
        if size != len(inode.body) + len(inline):
            problem = f"{size} of an inline directory with {len(inode.body) + len(inline)} bytes"
            raise filesystem.damaged(inode.where, "i_size", problem)
        dots[b"."] = inode.number
        dots[b".."] = int.from_bytes(inode.body[:_PARENT_BYTES], "little")
        yield inode.where, inode.body[_PARENT_BYTES:]
        yield inode.where, inline
        return
    if not size or size % block_size:
        raise filesystem.damaged(
            inode.where, "i_size", f"{size} of a directory with blocks of {block_size} bytes"
        )
    done = 0
    for index, address, count in runs_of(filesystem, inode):
        if index != done:
            raise filesystem.damaged(inode.where, "directory", f"block {done} of its contents is a hole")
        done += count
        for place in range(address, address + count):
            yield f"block {place} of inode {inode.number}", filesystem.block(place, inode.where, "directory")
    if done != size // block_size:
        raise filesystem.damaged(inode.where, "i_size", f"{size} of a directory with {done} blocks")


def _records(filesystem: Filesystem, where: str, data: bytes) -> Iterator[Name]:
    offset, has_types = 0, filesystem.has_file_types
    while offset < len(data):
        if len(data) - offset < _HEADER_BYTES:
            raise filesystem.damaged(where, "dirent", f"byte {offset} is too close to the end")
        dirent = DirectoryEntry.unpack(data, offset)
        length, name_length = dirent.rec_len, dirent.name_len
        if len(data) == _LARGEST_BLOCK and length in _LARGEST_LENGTHS:
            length = _LARGEST_BLOCK
        if length < _HEADER_BYTES or length % 4 or offset + length > len(data):
            raise filesystem.damaged(
                where, "dirent", f"rec_len {dirent.rec_len} at byte {offset} is impossible"
            )
        here, offset = offset, offset + length
        if not dirent.inode:
            continue
        if not has_types:
            name_length |= dirent.file_type << 8
        if not 1 <= name_length <= min(255, length - _HEADER_BYTES):
            raise filesystem.damaged(where, "dirent", f"name_len {name_length} at byte {here} is impossible")
        name = data[here + _HEADER_BYTES : here + _HEADER_BYTES + name_length]
        if b"/" in name or b"\0" in name:
            raise filesystem.damaged(where, "dirent", f"{name!r} cannot be a name")
        kind = dirent.file_type if has_types else 0
        if kind not in _KINDS:
            raise filesystem.damaged(where, "dirent", f"file_type {kind} of {name!r} is no kind of file")
        yield Name(where, name, dirent.inode, _KINDS[kind])
