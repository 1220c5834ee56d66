"""Pointer trees: how high one is, which blocks it has, what stands in them.

An inode's contents lie in its own block ("stuffed", height 0), or in data blocks that its pointers lead to,
directly (height 1) or by way of indirect blocks. A pointer is the number of a block, 0 is a hole; blocks of
pointers that would hold nothing but holes do not exist. Source: linux/gfs2_ondisk.h and measurements.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from sys import byteorder
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.structures import DINODE_BYTES, HEIGHT_MAX, META_HEADER_BYTES, POINTER_BYTES

Run = tuple[int, int]  # first block and how many follow one another, that one included
Piece = tuple[int, int, int]  # index in the contents, address on the disk, how many blocks


class TooLargeError(SsiumlError):
    """Contents are larger than pointers can reach."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the block size, and a generation's indirect blocks, allow."""

    block_size: int
    indirect_header_bytes: int
    stuffed_bytes: int = field(init=False)  # the most that a dinode's own block holds
    inode_pointers: int = field(init=False)
    block_pointers: int = field(init=False)

    def __post_init__(self) -> None:
        stuffed = self.block_size - DINODE_BYTES
        object.__setattr__(self, "stuffed_bytes", stuffed)
        object.__setattr__(self, "inode_pointers", stuffed // POINTER_BYTES)
        pointers = (self.block_size - self.indirect_header_bytes) // POINTER_BYTES
        object.__setattr__(self, "block_pointers", pointers)

    def unit_bytes(self, with_headers: bool) -> int:
        """Bytes of the contents in a data block; *with_headers*: a metadata header opens each."""
        return self.block_size - META_HEADER_BYTES if with_headers else self.block_size

    def height(self, size_bytes: int, with_headers: bool = False) -> int:
        """The smallest height for contents of that size; TooLargeError if there is none."""
        if size_bytes <= self.stuffed_bytes:
            return 0
        height, reach = 1, self.unit_bytes(with_headers) * self.inode_pointers
        while reach < size_bytes:
            height, reach = height + 1, reach * self.block_pointers
        if height > HEIGHT_MAX:
            raise TooLargeError(
                f"{size_bytes} bytes do not fit into one file with blocks of {self.block_size} bytes"
            )
        return height


@dataclass(frozen=True, slots=True)
class PointerTree:
    """Which blocks the contents of an inode have; *levels* are the indirect blocks, next to the dinode first.

    A level, and *data*, is the list of runs of indexes that exist; the rest are holes.
    """

    height: int
    levels: tuple[tuple[Run, ...], ...]
    data: tuple[Run, ...]
    indirect_blocks: int
    data_blocks: int


def pointer_tree(shape: Shape, height: int, data: Sequence[Run]) -> PointerTree:
    """The tree of that height (at least 1) over the data blocks with these indexes, ascending."""
    levels: list[tuple[Run, ...]] = []
    below: Sequence[Run] = data
    for _ in range(height - 1):
        below = tuple(_parents(below, shape.block_pointers))
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
def full_tree(shape: Shape, size_bytes: int, with_headers: bool = False) -> PointerTree:
    """The tree of contents of that size, too large to be stuffed, without holes."""
    blocks = -(-size_bytes // shape.unit_bytes(with_headers))
    return pointer_tree(shape, shape.height(size_bytes, with_headers), ((0, blocks),))


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
    """Deal the blocks of *runs* out in order, as many as each of *counts* says."""
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


def placed(indexes: Iterable[Run], addresses: Sequence[Run]) -> list[Piece]:
    """Put the blocks with these indexes at these addresses, in order."""
    pieces: list[Piece] = []
    number, done = 0, 0
    for index, count in indexes:
        while count:
            first, length = addresses[number]
            taken = min(length - done, count)
            pieces.append((index, first + done, taken))
            index, count, done = index + taken, count - taken, done + taken
            if done == length:
                number, done = number + 1, 0
    return pieces


def pointers_to(pieces: Iterable[Piece], per_block: int) -> Iterator[bytes]:
    """The pointers to *pieces*, big-endian, for each block of *per_block* pointers that is no hole."""
    current, words = -1, array("Q")
    for index, address, count in pieces:
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
