"""The blocks of an inode: its tree of pointers, walked without trusting it, and the bytes behind it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Final

from ssiuml.formats.gfs.structures import META_HEADER_BYTES, POINTER_BYTES, MetaType
from ssiuml.formats.gfs_reader.damage import Damaged
from ssiuml.formats.gfs_reader.filesystem import Filesystem, check_header
from ssiuml.formats.gfs_reader.inodes import Inode, has_headers, read_inode
from ssiuml.tree.tree import CHUNK_BYTES

_ZEROS: Final = bytes(1 << 16)
# Nobody wants more zeros than these printed; extracting makes holes of them.
_MAX_HOLES_BYTES: Final = 64 << 30


class Part(Enum):
    """What a block of an inode is for."""

    INDIRECT = "indirect block"
    DATA = "data block"


Place = tuple[Part, int, int]  # the part, its address, its index in the contents


@dataclass(slots=True)
class _Walk:
    filesystem: Filesystem
    left: int
    seen: set[int] = field(default_factory=set)

    def below(self, owner: int, structure: str, words: bytes, level: int, base: int) -> Iterator[Place]:
        """What the pointers *words* of block *owner* lead to, with *level* levels of pointers below them."""
        step = self.filesystem.shape.block_pointers**level
        for number, (address,) in enumerate(struct.iter_unpack(">Q", words)):
            if not address:
                continue
            self.filesystem.require_inside(address, owner, structure)
            self.left -= 1
            if self.left < 0:
                raise Damaged(owner, structure, "the file has more blocks than the file system")
            index = base + number * step
            if level == 0:
                yield Part.DATA, address, index
                continue
            if address in self.seen:
                raise Damaged(owner, structure, f"points to the indirect block {address} a second time")
            self.seen.add(address)
            data = self.filesystem.metadata(address, MetaType.IN, owner, structure)
            yield Part.INDIRECT, address, index
            rest = data[self.filesystem.shape.indirect_header_bytes :]
            yield from self.below(address, "indirect block", rest, level - 1, index)


def walk_blocks(filesystem: Filesystem, inode: Inode) -> Iterator[Place]:
    """Yield all blocks that the inode's pointers lead to, an indirect block before what is below it.

    Damaged at the first pointer that leads out of the file system, to no indirect block where one has to be,
    to an indirect block a second time, or when there are more blocks than in the file system.
    """
    if inode.height:
        walk = _Walk(filesystem, filesystem.blocks, {inode.address})
        words = inode.body[: filesystem.shape.inode_pointers * POINTER_BYTES]
        yield from walk.below(inode.address, "dinode", words, inode.height - 1, 0)


def data_pieces(filesystem: Filesystem, inode: Inode) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of the contents but for their holes, ascending; Damaged as walk_blocks."""
    size = inode.size_bytes
    if inode.height == 0:
        if size:
            yield 0, inode.body[:size]
        return
    headers = has_headers(filesystem, inode)
    unit = filesystem.shape.data_block_bytes(headers)
    for part, address, index in walk_blocks(filesystem, inode):
        offset = index * unit
        if part is not Part.DATA or offset >= size:  # blocks behind the end are reserved ones
            continue
        data = filesystem.block(address, inode.address, "pointers")
        if headers:
            check_header(data, MetaType.JD, address)
            data = data[META_HEADER_BYTES:]
        yield offset, data[: size - offset]


@dataclass(frozen=True, slots=True)
class ImageContent:
    """The contents of the regular file whose inode lies at *address*, as ssiuml.tree.tree.Content."""

    filesystem: Filesystem
    address: int
    size_bytes: int

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of everything but the holes, ascending; Damaged if a pointer is wrong."""
        inode = read_inode(self.filesystem, self.address, self.address, "dinode")
        yield from data_pieces(self.filesystem, inode)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order; Damaged if a pointer is wrong, or holes are of an absurd size."""
        done = holes = 0
        pieces = self.pieces()
        for offset, data in chain(pieces, [(self.size_bytes, b"")]):
            holes += offset - done
            if holes > _MAX_HOLES_BYTES:
                raise Damaged(self.address, "dinode", f"of its {self.size_bytes} bytes, nearly all are holes")
            while done < offset:
                step = min(offset - done, len(_ZEROS))
                yield _ZEROS[:step]
                done += step
            for start in range(0, len(data), CHUNK_BYTES):
                yield data[start : start + CHUNK_BYTES]
            done += len(data)


def read_contents(filesystem: Filesystem, inode: Inode, most_bytes: int) -> bytes:
    """All contents of a system file or a directory's table, at most *most_bytes*; Damaged as walk_blocks."""
    if inode.size_bytes > most_bytes:
        raise Damaged(inode.address, "dinode", f"di_size {inode.size_bytes} is more than {most_bytes}")
    buffer = bytearray(inode.size_bytes)
    for offset, data in data_pieces(filesystem, inode):
        buffer[offset : offset + len(data)] = data
    return bytes(buffer)
