"""Pointer trees: their height, the blocks they have, and the pointers in each block.

An inode's contents lie in its own block ("stuffed", height 0) or in data blocks. The dinode points to the
data blocks directly (height 1) or through indirect blocks. A pointer is a block number; 0 is a hole. An
indirect block whose pointers would all be 0 does not exist. Source: linux/gfs2_ondisk.h and measurements.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from sys import byteorder
from typing import Final

from ssiuml.formats.gfs.structures import (
    DINODE_BYTES,
    HEIGHT_MAX,
    META_HEADER_BYTES,
    POINTER_BYTES,
    UnstorableError,
)

Run = tuple[int, int]  # first block, number of blocks
MappedRun = tuple[int, int, int]  # index in the contents, address on the disk, number of blocks


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """Capacities of blocks of one size; the header of indirect blocks has 24 bytes in GFS2, 88 in GFS1."""

    block_size: int
    indirect_header_bytes: int
    stuffed_bytes: int = field(init=False)  # the most that a dinode's own block holds
    inode_pointers: int = field(init=False)  # in a dinode's block
    block_pointers: int = field(init=False)  # in an indirect block

    def __post_init__(self) -> None:
        stuffed = self.block_size - DINODE_BYTES
        object.__setattr__(self, "stuffed_bytes", stuffed)
        object.__setattr__(self, "inode_pointers", stuffed // POINTER_BYTES)
        pointers = (self.block_size - self.indirect_header_bytes) // POINTER_BYTES
        object.__setattr__(self, "block_pointers", pointers)

    def data_block_bytes(self, with_headers: bool) -> int:
        """Return how many bytes of contents a data block holds; *with_headers*: behind a metadata header."""
        return self.block_size - META_HEADER_BYTES if with_headers else self.block_size

    def height(self, size_bytes: int, with_headers: bool = False) -> int:
        """Return the smallest height for contents of *size_bytes*. Raise UnstorableError if there is none."""
        if size_bytes <= self.stuffed_bytes:
            return 0
        height, reach = 1, self.data_block_bytes(with_headers) * self.inode_pointers
        while reach < size_bytes:
            height, reach = height + 1, reach * self.block_pointers
        if height > HEIGHT_MAX:
            raise UnstorableError(
                f"{size_bytes} bytes do not fit into one file with blocks of {self.block_size} bytes"
            )
        return height


@dataclass(frozen=True, slots=True)
class PointerTree:
    """The blocks of an inode below its dinode: *levels* of indirect blocks, from the dinode down, and *data*.

    Each level, and *data*, lists the runs of indexes that exist; the other indexes are holes.
    """

    height: int
    levels: tuple[tuple[Run, ...], ...]
    data: tuple[Run, ...]
    indirect_blocks: int
    data_blocks: int


def sparse_tree(layout: BlockLayout, height: int, data: Sequence[Run]) -> PointerTree:
    """Return the tree of *height*, at least 1, over the data blocks with the ascending indexes *data*."""
    levels: list[tuple[Run, ...]] = []
    below: Sequence[Run] = data
    for _ in range(height - 1):
        below = tuple(_parents(below, layout.block_pointers))
        levels.append(below)
    levels.reverse()
    return PointerTree(
        height,
        tuple(levels),
        tuple(data),
        sum(count for level in levels for _, count in level),
        sum(count for _, count in data),
    )


@lru_cache(maxsize=4096)
def full_tree(layout: BlockLayout, size_bytes: int, with_headers: bool = False) -> PointerTree:
    """Return the tree of contents without holes that are too large to be stuffed."""
    blocks = -(-size_bytes // layout.data_block_bytes(with_headers))
    return sparse_tree(layout, layout.height(size_bytes, with_headers), ((0, blocks),))


def _parents(below: Iterable[Run], pointers: int) -> Iterator[Run]:
    first = end = 0
    for start, count in below:
        low, high = start // pointers, (start + count - 1) // pointers + 1
        if end and low <= end:
            end = max(end, high)
            continue
        if end:
            yield first, end - first
        first, end = low, high
    if end:
        yield first, end - first


def split_runs(runs: Sequence[Run], counts: Iterable[int]) -> list[list[Run]]:
    """Split *runs*, in order, into parts; each part has as many blocks as *counts* gives."""
    parts: list[list[Run]] = []
    number, done = 0, 0
    for wanted in counts:
        part: list[Run] = []
        while wanted:
            first, count = runs[number]
            taken = min(count - done, wanted)
            part.append((first + done, taken))
            wanted -= taken
            done += taken
            if done == count:
                number, done = number + 1, 0
        parts.append(part)
    return parts


def addresses_of(runs: Sequence[Run]) -> Iterator[int]:
    """Yield the address of every block of *runs*."""
    for first, count in runs:
        yield from range(first, first + count)


def map_runs(indexes: Iterable[Run], addresses: Sequence[Run]) -> list[MappedRun]:
    """Map the blocks with these indexes to these addresses, in order."""
    mapped: list[MappedRun] = []
    number, done = 0, 0
    for index, count in indexes:
        while count:
            first, length = addresses[number]
            taken = min(length - done, count)
            mapped.append((index, first + done, taken))
            index, count, done = index + taken, count - taken, done + taken
            if done == length:
                number, done = number + 1, 0
    return mapped


def pointers_to(mapped: Iterable[MappedRun], per_block: int) -> Iterator[bytes]:
    """Yield big-endian pointers to *mapped*, for each block of *per_block* pointers that is no hole."""
    current, words = -1, array("Q")
    for index, address, count in mapped:
        while count:
            number, slot = divmod(index, per_block)
            if number != current:
                if words:
                    yield _big_endian(words)
                current, words = number, array("Q")
            if len(words) < slot:
                words.frombytes(bytes(POINTER_BYTES * (slot - len(words))))
            taken = min(count, per_block - slot)
            words.extend(range(address, address + taken))
            index, address, count = index + taken, address + taken, count - taken
    if words:
        yield _big_endian(words)


_SWAP: Final = byteorder == "little"


def _big_endian(words: "array[int]") -> bytes:
    if _SWAP:
        words.byteswap()
    return words.tobytes()
