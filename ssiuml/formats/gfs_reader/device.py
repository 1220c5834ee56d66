"""Opens the device of a file system for reading: a file, a block device, or an assembled pool."""

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

# Sectors of a pool in which one call looks for the end of an extent; a striped pool yields stripe by stripe.
_LOOK_SECTORS: Final = 1 << 16


class ImageDevice(Protocol):
    """A device that holds a file system from byte 0 on."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Return *size_bytes* bytes, fewer only at the end."""
        ...

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        """Return whether the byte is stored (no hole), and the offset up to which the answer holds."""
        ...


@dataclass(frozen=True, slots=True)
class _LabelledDevice:
    """The only device of a pool, without the label in front."""

    device: Device
    size_bytes: int

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        left = max(0, self.size_bytes - offset_bytes)
        return self.device.read(RESERVED_BYTES + offset_bytes, min(size_bytes, left))

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        is_data, end = self.device.extent(RESERVED_BYTES + offset_bytes)
        return is_data, min(end - RESERVED_BYTES, self.size_bytes)


@dataclass(frozen=True, slots=True)
class _PoolDevice:
    """The devices of a pool as one; *layout* maps its sectors to theirs."""

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
def open_image(target: Path | Pool) -> Iterator[ImageDevice]:
    """Open the device of a file system; for the only device of a pool, byte 0 lies behind the label.

    Raise UsageError if *target* does not exist or is one of several devices of a pool. Raise DeviceError if
    it cannot be read.
    """
    with ExitStack() as stack:
        if isinstance(target, Pool):
            yield _PoolDevice(target.map, [stack.enter_context(open_device(path)) for path in target.paths])
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
        yield _LabelledDevice(device, max(size, 0))


def superblock_sector(device: ImageDevice) -> bytes:
    """Return the first 512 bytes of the superblock, fewer if the image ends before."""
    return device.read(SUPERBLOCK_BYTES, SECTOR_BYTES)


def label_bytes(device: ImageDevice) -> int:
    """Return the bytes that pool labels take up on all devices; 0 without a pool."""
    if isinstance(device, _PoolDevice):
        return RESERVED_BYTES * len(device.devices)
    return RESERVED_BYTES if isinstance(device, _LabelledDevice) else 0
