"""Counts blocks cell by cell: which ones are claimed, which are holes, how many have each use."""

import enum
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs_reader.device import ImageDevice


class Use(enum.IntEnum):
    """What a block is used for, in the order in which the picture shows it."""

    SUPERBLOCK = 0
    GROUP = 1
    JOURNAL = 2
    DINODE = 3
    METADATA = 4
    DATA = 5
    UNKNOWN = 6
    OUTSIDE = 7
    FREE = 8


_USES: Final = len(Use)  # len(Use) takes time at each call
_CHUNK_SHIFT: Final = 16
CHUNK_BLOCKS: Final = 1 << _CHUNK_SHIFT
_FULL_CHUNK: Final = bytearray(b"\xff" * (CHUNK_BLOCKS // 8))  # shared: nothing sets a bit of it again
CLAIMED: Final = 4  # in Claims.states; the two bits of a bitmap have the states 0 to 3
_STATES_OF_BITS: Final = [bytes((bits >> slot & 1) * CLAIMED for slot in range(8)) for bits in range(256)]


class Claims:
    """A set of blocks, with a bit for each block of those chunks of 65,536 that have any block in it."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}

    def add(self, address: int) -> bool:
        """Claim a block. Return False if it is claimed already."""
        number, inside = divmod(address, CHUNK_BLOCKS)
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._chunks[number] = bytearray(CHUNK_BLOCKS // 8)
        bit = 1 << (inside & 7)
        if chunk[inside >> 3] & bit:
            return False
        chunk[inside >> 3] |= bit
        return True

    def add_run(self, start: int, count: int) -> Iterator[tuple[int, int]]:
        """Claim *count* blocks from *start* on. Yield (start, count) of those that were not claimed already.

        The time grows with the number of chunks, not of blocks: a damaged length may be absurd.
        """
        end = start + count
        while start < end:
            number, inside = divmod(start, CHUNK_BLOCKS)
            size = min(end - start, CHUNK_BLOCKS - inside)
            before = int.from_bytes(self._chunks.get(number, b""), "little")
            mask = ((1 << size) - 1) << inside
            if before & mask:
                yield from ((address, 1) for address in range(start, start + size) if self.add(address))
            else:
                after = (before | mask).to_bytes(CHUNK_BLOCKS // 8, "little")
                self._chunks[number] = _FULL_CHUNK if after == _FULL_CHUNK else bytearray(after)
                yield start, size
            start += size

    def any_in(self, start: int, count: int) -> bool:
        """Return whether any block in the chunks of these *count* blocks is claimed.

        It is never False if one of the blocks themselves is claimed.
        """
        first, last = start >> _CHUNK_SHIFT, (start + count - 1) >> _CHUNK_SHIFT
        return any(number in self._chunks for number in range(first, last + 1))

    def states(self, start: int, count: int) -> bytes:
        """Return a byte for each of *count* blocks from *start* on: CLAIMED or 0."""
        first, last = start >> _CHUNK_SHIFT, (start + count - 1) >> _CHUNK_SHIFT
        parts = []
        for number in range(first, last + 1):
            chunk = self._chunks.get(number)
            if chunk is None:
                parts.append(bytes(CHUNK_BLOCKS))
            else:
                parts.append(b"".join([_STATES_OF_BITS[bits] for bits in chunk]))
        skip = start - (first << _CHUNK_SHIFT)
        return b"".join(parts)[skip : skip + count]


class Holes:
    """Finds the blocks that are holes of the image file: the host has allocated none of their bytes."""

    def __init__(self, source: ImageDevice, block_size: int) -> None:
        self._source = source
        self._block_size = block_size
        self._start = self._end = 0  # the blocks of the last answer
        self._hole = False

    def at(self, address: int) -> tuple[bool, int]:
        """Return whether a block is a hole, and the first block behind the run for which this holds."""
        if not self._start <= address < self._end:
            self._look(address)
        return self._hole, self._end

    def _look(self, address: int) -> None:
        start = address * self._block_size
        is_data, end = self._source.extent(start)
        # Stripes of a pool may be smaller than a block. The block is a hole if all of them are.
        while not is_data and end - start < self._block_size and end < self._source.size_bytes:
            more_data, more = self._source.extent(end)
            if more_data:
                break
            end = more
        # A block at either end of the extent that is stored in part is no hole.
        blocks = -(-(end - start) // self._block_size) if is_data else (end - start) // self._block_size
        self._hole = not is_data and blocks > 0
        self._start, self._end = address, address + max(1, blocks)


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of blocks: how many have each Use, and how many of these are holes."""

    counts: tuple[int, ...]
    holes: tuple[int, ...]


class Tally:
    """Counts *blocks* blocks in cells of *cell_blocks* each; the last cell may have fewer."""

    def __init__(self, blocks: int, cell_blocks: int, holes: Holes) -> None:
        self._blocks = blocks
        self._cell_blocks = cell_blocks
        self._holes = holes
        self._cells = -(-blocks // cell_blocks)
        self._counts = array("Q", bytes(8 * self._cells * _USES))
        self._hole_counts = array("Q", bytes(8 * self._cells * _USES))

    def add(self, start: int, count: int, use: Use) -> None:
        """Count *count* blocks from *start* on, none of them counted before."""
        end = start + count
        while start < end:
            hole, behind = self._holes.at(start)
            cell = start // self._cell_blocks
            stop = min(end, behind, (cell + 1) * self._cell_blocks)
            self._counts[cell * _USES + use] += stop - start
            if hole:
                self._hole_counts[cell * _USES + use] += stop - start
            start = stop

    def cells(self) -> Sequence[Cell]:
        """Return the cells. Blocks that were not counted have the use OUTSIDE."""
        whole = Tally(self._blocks, self._cell_blocks, self._holes)
        whole.add(0, self._blocks, Use.OUTSIDE)
        cells = []
        for number in range(self._cells):
            here = slice(number * _USES, (number + 1) * _USES)
            counts, holes = list(self._counts[here]), list(self._hole_counts[here])
            counts[Use.OUTSIDE] = whole._counts[here][Use.OUTSIDE] - sum(counts)
            holes[Use.OUTSIDE] = whole._hole_counts[here][Use.OUTSIDE] - sum(holes)
            cells.append(Cell(tuple(counts), tuple(holes)))
        return cells
