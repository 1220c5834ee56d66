"""Where the bytes of a file system are: a file, a block device, or an assembled pool, opened for reading."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.structures import SUPERBLOCK_BYTES
from ssiuml.formats.pool.assembly import Pool
from ssiuml.formats.pool.label import RESERVED_BYTES, read_label
from ssiuml.formats.pool.mapping import SECTOR_BYTES, PoolMap
from ssiuml.host.devices import Device, open_device

# So far an extent of a pool is followed at most: striped devices are looked at stripe by stripe.
_LOOK_SECTORS: Final = 1 << 16


class Source(Protocol):
    """The bytes of a file system."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Read *size_bytes*, fewer only at the end."""
        ...

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        """Whether anything is stored for the byte there (or it is in a hole), and up to where this holds."""
        ...


@dataclass(frozen=True, slots=True)
class _Shifted:
    """What lies behind the label of the only device of a pool."""

    device: Device
    size_bytes: int

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        left = max(0, self.size_bytes - offset_bytes)
        return self.device.read(RESERVED_BYTES + offset_bytes, min(size_bytes, left))

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        is_data, end = self.device.extent(RESERVED_BYTES + offset_bytes)
        return is_data, min(end - RESERVED_BYTES, self.size_bytes)


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

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        sector, within = divmod(offset_bytes, SECTOR_BYTES)
        piece = next(self.layout.pieces(sector, min(_LOOK_SECTORS, self.layout.sectors - sector)))
        start = piece.sector * SECTOR_BYTES + within
        is_data, end = self.devices[piece.device].extent(start)
        return is_data, offset_bytes + min(end - start, piece.count * SECTOR_BYTES - within)


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


def label_bytes(source: Source) -> int:
    """What the labels of a pool take up in front of the file system, on all of its devices; 0 without one."""
    if isinstance(source, _Pooled):
        return RESERVED_BYTES * len(source.devices)
    return RESERVED_BYTES if isinstance(source, _Shifted) else 0
