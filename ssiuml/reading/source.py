"""Where the bytes of a file system are: a file, a block device, or an assembled pool, opened for reading."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ssiuml.assembly import Pool
from ssiuml.blockdev import Device, open_device
from ssiuml.errors import UsageError
from ssiuml.gfs.structures import SUPERBLOCK_BYTES
from ssiuml.pool.label import RESERVED_BYTES, read_label
from ssiuml.pool.mapping import SECTOR_BYTES, PoolMap


class Source(Protocol):
    """The bytes of a file system."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Read *size_bytes*, fewer only at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Shifted:
    """What lies behind the label of the only device of a pool."""

    device: Device
    size_bytes: int

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        left = max(0, self.size_bytes - offset_bytes)
        return self.device.read(RESERVED_BYTES + offset_bytes, min(size_bytes, left))


@dataclass(frozen=True, slots=True)
class _Pooled:
    """The devices of a pool, sector by sector where the map says."""

    layout: PoolMap
    devices: Sequence[Device]

    @property
    def size_bytes(self) -> int:
        return self.layout.sectors * SECTOR_BYTES

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        end = min(offset_bytes + size_bytes, self.size_bytes)
        if end <= offset_bytes:
            return b""
        first, behind = offset_bytes // SECTOR_BYTES, -(-end // SECTOR_BYTES)
        data = b"".join(
            self.devices[piece.device].read(piece.sector * SECTOR_BYTES, piece.count * SECTOR_BYTES)
            for piece in self.layout.pieces(first, behind - first)
        )
        start = offset_bytes - first * SECTOR_BYTES
        return data[start : start + end - offset_bytes]


@contextmanager
def opened(target: Path | Pool) -> Iterator[Source]:
    """Open what a file system lies on; behind the label where it is a pool's only device.

    Raises UsageError if it is not there or a device of a larger pool, DeviceError if it cannot be read.
    """
    with ExitStack() as stack:
        if isinstance(target, Pool):
            yield _Pooled(target.map, [stack.enter_context(open_device(path)) for path in target.paths])
            return
        device = stack.enter_context(open_device(target))
        label = read_label(device.read(0, SECTOR_BYTES))
        if label is None:
            yield device
            return
        if (label.pl_subpools, label.pl_sp_devs) != (1, 1):
            raise UsageError(
                f"{target}: is one of several devices of the pool {label.name}",
                hint=f"call passemble with all of them, then use /dev/pool/{label.name}",
            )
        size = min(label.pl_blocks * SECTOR_BYTES, device.size_bytes - RESERVED_BYTES)
        yield _Shifted(device, max(size, 0))


def superblock_sector(source: Source) -> bytes:
    """The first 512 bytes of the superblock, fewer if the image ends before."""
    return source.read(SUPERBLOCK_BYTES, SECTOR_BYTES)
