"""What runs of blocks are used for, counted cell by cell."""

import enum
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs_reader.device import ImageDevice


class Use(enum.IntEnum):
    """What a block is for, in the order in which it is drawn and told."""

    SUPERBLOCK = 0
    GROUP = 1
    JOURNAL = 2
    DINODE = 3
    METADATA = 4
    DATA = 5
    UNKNOWN = 6
    OUTSIDE = 7
    FREE = 8


_USES: Final = len(Use)  # an enumeration counts itself anew each time
_CHUNK_SHIFT: Final = 16
CHUNK_BLOCKS: Final = 1 << _CHUNK_SHIFT
_ALL_TAKEN: Final = bytearray(b"\xff" * (CHUNK_BLOCKS // 8))  # shared: no bit of it is ever set again
CLAIMED: Final = 4  # in Claims.states, behind what two bits of a bitmap can say
_STATES_OF_BITS: Final = [bytes((bits >> slot & 1) * CLAIMED for slot in range(8)) for bits in range(256)]


class Claims:
    """A set of blocks: a bit for each block in those runs of 65,536 of which any is in it."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}

    def add(self, address: int) -> bool:
        """Take a block; False if it is taken already."""
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
        """Take blocks in a row; yield (start, count) of those that were not taken already.

        It takes as long as there are runs of 65,536 blocks, not blocks: a damaged length may be absurd.
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
                self._chunks[number] = _ALL_TAKEN if after == _ALL_TAKEN else bytearray(after)
                yield start, size
            start += size

    def any_in(self, start: int, count: int) -> bool:
        """Whether blocks near the *count* ones from *start* on are taken: never False if one of them is."""
        first, last = start >> _CHUNK_SHIFT, (start + count - 1) >> _CHUNK_SHIFT
        return any(number in self._chunks for number in range(first, last + 1))

    def states(self, start: int, count: int) -> bytes:
        """A byte for each of *count* blocks from *start* on: CLAIMED or 0."""
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
    """Which blocks are holes of the file they lie in: nothing is allocated for any byte of them."""

    def __init__(self, source: ImageDevice, block_size: int) -> None:
        self._source = source
        self._block_size = block_size
        self._start = self._end = 0  # the blocks that were asked for last
        self._hole = False

    def at(self, address: int) -> tuple[bool, int]:
        """Whether the block at *address* is a hole, and up to which block (that one not) this holds."""
        if not self._start <= address < self._end:
            self._look(address)
        return self._hole, self._end

    def _look(self, address: int) -> None:
        start = address * self._block_size
        is_data, end = self._source.extent(start)
        # Stripes of a pool may be smaller than a block: it is a hole if all of them are.
        while not is_data and end - start < self._block_size and end < self._source.size_bytes:
            more_data, more = self._source.extent(end)
            if more_data:
                break
            end = more
        # A block of which only a part is stored is no hole, at either end of the extent.
        blocks = -(-(end - start) // self._block_size) if is_data else (end - start) // self._block_size
        self._hole = not is_data and blocks > 0
        self._start, self._end = address, address + max(1, blocks)


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of blocks: how many there are of each Use, and how many of these are holes."""

    counts: tuple[int, ...]
    holes: tuple[int, ...]


class Tally:
    """Counts *blocks* blocks in cells of *cell_blocks* each, the last one perhaps of fewer."""

    def __init__(self, blocks: int, cell_blocks: int, holes: Holes) -> None:
        self._blocks = blocks
        self._cell_blocks = cell_blocks
        self._holes = holes
        self._cells = -(-blocks // cell_blocks)
        self._counted = array("Q", bytes(8 * self._cells * _USES))
        self._hollow = array("Q", bytes(8 * self._cells * _USES))

    def add(self, start: int, count: int, use: Use) -> None:
        """Count blocks that nothing has counted yet."""
        end = start + count
        while start < end:
            hole, behind = self._holes.at(start)
            cell = start // self._cell_blocks
            stop = min(end, behind, (cell + 1) * self._cell_blocks)
            self._counted[cell * _USES + use] += stop - start
            if hole:
                self._hollow[cell * _USES + use] += stop - start
            start = stop

    def cells(self) -> Sequence[Cell]:
        """The cells; what was not counted is OUTSIDE."""
        rest = Tally(self._blocks, self._cell_blocks, self._holes)
        rest.add(0, self._blocks, Use.OUTSIDE)
        made = []
        for number in range(self._cells):
            here = slice(number * _USES, (number + 1) * _USES)
            counts, holes = list(self._counted[here]), list(self._hollow[here])
            counts[Use.OUTSIDE] = rest._counted[here][Use.OUTSIDE] - sum(counts)
            holes[Use.OUTSIDE] = rest._hollow[here][Use.OUTSIDE] - sum(holes)
            made.append(Cell(tuple(counts), tuple(holes)))
        return made
