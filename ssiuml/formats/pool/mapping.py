"""The map from the sectors of a pool to the sectors of its devices.

Subpools follow each other in the order of their ids. The devices of a subpool follow each other or are
striped (RAID 0); when they are striped, each counts as large as device 0. Sectors have 512 bytes, and each
device begins with 16 sectors for its label.

Source: lvm2's import of pools (import_export.c, disk_rep.h). Sizes are rounded to its extents of 16 sectors.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

SECTOR_BYTES: Final = 512
LABEL_SECTORS: Final = 16
EXTENT_SECTORS: Final = 16


def usable_sectors(device_sectors: int, stripe_sectors: int) -> int:
    """Return how many sectors of a device with *device_sectors* the pool can use: the label's pl_blocks.

    They are whole extents of 16 sectors, or whole stripes, behind the label. The result is 0 or less if the
    device is too small.
    """
    return (device_sectors - LABEL_SECTORS) // (unit := max(EXTENT_SECTORS, stripe_sectors)) * unit


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive sectors of a pool on one device. *sector* counts from the beginning of the device."""

    device: int
    sector: int
    count: int


@dataclass(frozen=True, slots=True)
class SubpoolMap:
    """A subpool, with the usable sectors of its devices in the order of their ids."""

    stripe_sectors: int
    device_sectors: tuple[int, ...]

    @property
    def sectors(self) -> int:
        if self.stripe_sectors:
            return self.device_sectors[0] * len(self.device_sectors)
        return sum(self.device_sectors)

    def locate(self, sector: int) -> Piece:
        """Return the piece from *sector* of the subpool to the end of its device or stripe."""
        if self.stripe_sectors:
            stripe, within = divmod(sector, self.stripe_sectors)
            row, device = divmod(stripe, len(self.device_sectors))
            start, left = row * self.stripe_sectors + within, self.stripe_sectors - within
        else:
            ends = list(accumulate(self.device_sectors))
            device = bisect_right(ends, sector)
            left = ends[device] - sector
            start = self.device_sectors[device] - left
        return Piece(device, LABEL_SECTORS + start, left)


class PoolMap:
    """All subpools of a pool. Its devices are numbered consecutively, subpool after subpool."""

    def __init__(self, subpools: Sequence[SubpoolMap]) -> None:
        self.subpools = tuple(subpools)
        self._ends = list(accumulate(subpool.sectors for subpool in subpools))
        self._first_device = [0, *accumulate(len(subpool.device_sectors) for subpool in subpools)]

    @property
    def sectors(self) -> int:
        return self._ends[-1] if self._ends else 0

    def pieces(self, sector: int, count: int) -> Iterator[Piece]:
        """Yield the pieces of *count* sectors of the pool from *sector* on in order, joined where they touch.

        Raise ValueError if a sector lies outside of the pool.
        """
        if sector < 0 or count < 0 or sector + count > self.sectors:
            raise ValueError(f"sectors {sector} to {sector + count} are not in a pool of {self.sectors}")
        held: Piece | None = None
        while count:
            piece = self._locate(sector, count)
            sector += piece.count
            count -= piece.count
            if held is None:
                held = piece
            elif held.device == piece.device and held.sector + held.count == piece.sector:
                held = Piece(held.device, held.sector, held.count + piece.count)
            else:
                yield held
                held = piece
        if held is not None:
            yield held

    def _locate(self, sector: int, most: int) -> Piece:
        index = bisect_right(self._ends, sector)
        subpool = self.subpools[index]
        piece = subpool.locate(sector - (self._ends[index] - subpool.sectors))
        return Piece(self._first_device[index] + piece.device, piece.sector, min(piece.count, most))
