"""Walks the pointer tree of an inode without trusting it, and reads the contents."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Final

from ssiuml.formats.gfs.structures import META_HEADER_BYTES, POINTER_BYTES, MetaType
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, check_header
from ssiuml.formats.gfs_reader.inodes import Inode, has_headers, read_inode
from ssiuml.host.files import CHUNK_BYTES

_ZEROS: Final = bytes(1 << 16)
# ImageContent.chunks refuses to yield more zeros; extract makes holes of them instead.
_MAX_HOLES_BYTES: Final = 64 << 30
_MAX_INDEX_BYTES: Final = 128 << 20  # of a jindex or rindex


class BlockRole(Enum):
    """The role of a block in an inode."""

    INDIRECT = "indirect block"
    DATA = "data block"


InodeBlock = tuple[BlockRole, int, int]  # role, address, index in the contents


@dataclass(slots=True)
class _Walk:
    filesystem: Filesystem
    left: int  # blocks that the inode may still have
    seen: set[int] = field(default_factory=set)

    def below(self, owner: int, structure: str, words: bytes, level: int, base: int) -> Iterator[InodeBlock]:
        """Yield the blocks below the pointers *words* of block *owner*.

        *level* levels of indirect blocks lie below them; *base* is the index of the first pointer's block.
        """
        step = self.filesystem.block_layout.block_pointers**level
        for number, (address,) in enumerate(struct.iter_unpack(">Q", words)):
            if not address:
                continue
            self.filesystem.require_inside(address, owner, structure)
            self.left -= 1
            if self.left < 0:
                raise Damaged(owner, structure, "the file has more blocks than the file system")
            index = base + number * step
            if level == 0:
                yield BlockRole.DATA, address, index
                continue
            if address in self.seen:
                raise Damaged(owner, structure, f"points to the indirect block {address} a second time")
            self.seen.add(address)
            data = self.filesystem.metadata(address, MetaType.IN, owner, structure)
            yield BlockRole.INDIRECT, address, index
            rest = data[self.filesystem.block_layout.indirect_header_bytes :]
            yield from self.below(address, "indirect block", rest, level - 1, index)


def walk_blocks(filesystem: Filesystem, inode: Inode) -> Iterator[InodeBlock]:
    """Yield all blocks below the dinode, each indirect block before the blocks below it.

    Raise Damaged at the first wrong pointer: it leads out of the file system, to a block that should be an
    indirect block and is not, or to an indirect block a second time. Raise Damaged, too, if the inode has
    more blocks than the file system.
    """
    if inode.height:
        walk = _Walk(filesystem, filesystem.blocks, {inode.address})
        words = inode.body[: filesystem.block_layout.inode_pointers * POINTER_BYTES]
        yield from walk.below(inode.address, "dinode", words, inode.height - 1, 0)


def data_pieces(filesystem: Filesystem, inode: Inode) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of the contents without holes, ascending. Raise Damaged as walk_blocks does."""
    size = inode.size_bytes
    if inode.height == 0:
        if size:
            yield 0, inode.body[:size]
        return
    headers = has_headers(filesystem, inode)
    unit = filesystem.block_layout.data_block_bytes(headers)
    for role, address, index in walk_blocks(filesystem, inode):
        offset = index * unit
        if role is not BlockRole.DATA or offset >= size:  # blocks behind the end are preallocated
            continue
        data = filesystem.block(address, inode.address, "pointers")
        if headers:
            check_header(data, MetaType.JD, address)
            data = data[META_HEADER_BYTES:]
        yield offset, data[: size - offset]


@dataclass(frozen=True, slots=True)
class ImageContent:
    """A ssiuml.tree.tree.Content: the regular file whose inode lies at *address*."""

    filesystem: Filesystem
    address: int
    size_bytes: int

    def spans(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) without holes, ascending. Raise Damaged if a pointer is wrong."""
        inode = read_inode(self.filesystem, self.address, self.address, "dinode")
        yield from data_pieces(self.filesystem, inode)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order. Raise Damaged if a pointer is wrong or holes have more than 64 GiB."""
        done = holes = 0
        for offset, data in chain(self.spans(), [(self.size_bytes, b"")]):
            holes += offset - done
            if holes > _MAX_HOLES_BYTES:
                raise Damaged(self.address, "dinode", f"nearly all of its {self.size_bytes} bytes are holes")
            while done < offset:
                step = min(offset - done, len(_ZEROS))
                yield _ZEROS[:step]
                done += step
            for start in range(0, len(data), CHUNK_BYTES):
                yield data[start : start + CHUNK_BYTES]
            done += len(data)


def read_contents(filesystem: Filesystem, inode: Inode, most_bytes: int) -> bytes:
    """Return the contents of a system file or a hash table.

    Raise Damaged if they have more than *most_bytes*, or as walk_blocks does.
    """
    if inode.size_bytes > most_bytes:
        raise Damaged(inode.address, "dinode", f"di_size {inode.size_bytes} is more than {most_bytes}")
    buffer = bytearray(inode.size_bytes)
    for offset, data in data_pieces(filesystem, inode):
        buffer[offset : offset + len(data)] = data
    return bytes(buffer)


def read_index(filesystem: Filesystem, address: int, structure: str) -> bytes:
    """Return the contents of the jindex or rindex at *address*, to which *structure* points.

    Raise Damaged as read_contents does.
    """
    inode = read_inode(filesystem, address, filesystem.superblock_block, structure)
    return read_contents(filesystem, inode, _MAX_INDEX_BYTES)
