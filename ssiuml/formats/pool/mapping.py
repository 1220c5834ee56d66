"""Where the sectors of a pool lie on its devices.

Subpools follow each other in the order of their ids. Within one, devices either follow each other or are
striped (RAID 0), every device then counting as large as device 0. Sectors have 512 bytes; each device
begins with 16 of them for its label.

Source: lvm2's import of pools (import_export.c, disk_rep.h), by whose arithmetic of extents of 16 sectors
sizes are rounded here.
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
    """Sectors of a device of *device_sectors* that serve the pool: the label's pl_blocks.

    Whole extents of 16 sectors behind the label, and whole stripes. 0 or less: the device is too small.
    """
    return (device_sectors - LABEL_SECTORS) // (unit := max(EXTENT_SECTORS, stripe_sectors)) * unit


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive sectors of a pool on one device; *sector* counts from the device's begin."""

    device: int
    sector: int
    count: int


@dataclass(frozen=True, slots=True)
class SubpoolMap:
    """One subpool: the usable sectors of its devices, in the order of their ids."""

    stripe_sectors: int
    device_sectors: tuple[int, ...]

    @property
    def sectors(self) -> int:
        if self.stripe_sectors:
            return self.device_sectors[0] * len(self.device_sectors)
        return sum(self.device_sectors)

    def locate(self, sector: int) -> Piece:
        """Where *sector* of the subpool lies, and how many sectors from there on lie in one piece."""
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
    """All subpools of a pool; its devices are numbered through, subpool after subpool."""

    def __init__(self, subpools: Sequence[SubpoolMap]) -> None:
        self.subpools = tuple(subpools)
        self._ends = list(accumulate(subpool.sectors for subpool in subpools))
        self._first_device = [0, *accumulate(len(subpool.device_sectors) for subpool in subpools)]

    @property
    def sectors(self) -> int:
        return self._ends[-1] if self._ends else 0

    def pieces(self, sector: int, count: int) -> Iterator[Piece]:
        """Yield where *count* sectors of the pool from *sector* on lie, in order; neighbours are joined.

        Raises ValueError if they do not all lie in the pool.
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
