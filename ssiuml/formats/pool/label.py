"""The label in sector 0 of every member of a pool.

Source: lvm2's lib/format_pool/disk_rep.h, struct pool_disk, and disk_rep.c (in its history).
"""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Annotated, Final

from ssiuml.errors import UsageError
from ssiuml.formats.ondisk import Be32, Be64, Bytes, OnDisk, Text256
from ssiuml.formats.pool.config import PoolConfig, Subpool, SubpoolType
from ssiuml.formats.pool.mapping import LABEL_SECTORS, SECTOR_BYTES, usable_sectors
from ssiuml.units import format_size

POOL_MAGIC: Final = 0x011670
POOL_VERSION: Final = 4 << 16 | 1 << 8 | 3  # 4.1.3
RESERVED_BYTES: Final = LABEL_SECTORS * SECTOR_BYTES  # the label's space at the beginning of a device


class TypeNumber(IntEnum):
    """Values of pl_sp_type. Labels of plain data pools have UNTYPED."""

    UNTYPED = 0
    GFS_DATA = 0x68011670
    GFS_JOURNAL = 0x69011670


_NUMBER_OF_TYPE: Final = {
    SubpoolType.DATA: TypeNumber.GFS_DATA,
    SubpoolType.JOURNAL: TypeNumber.GFS_JOURNAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLabel(OnDisk):
    """Struct pool_disk: 512 bytes, big-endian."""

    pl_magic: Be64 = POOL_MAGIC
    pl_pool_id: Be64
    pl_pool_name: Text256
    pl_version: Be32 = POOL_VERSION
    pl_subpools: Be32
    pl_sp_id: Be32
    pl_sp_devs: Be32
    pl_sp_devid: Be32
    pl_sp_type: Be32
    pl_blocks: Be64  # usable sectors of this member
    pl_striping: Be32  # in sectors, 0: concatenated
    pl_sp_dmepdevs: Be32 = 0
    pl_sp_dmepid: Be32 = 0
    pl_sp_weight: Be32 = 0
    pl_minor: Be32 = 0  # 0: assigned dynamically
    pl_padding: Be32 = 0
    pl_reserve: Annotated[bytes, Bytes(184)] = bytes(184)

    @property
    def name(self) -> str:
        """The pool's name as text; bytes that are no UTF-8 are escaped."""
        return self.pl_pool_name.decode("utf-8", "backslashreplace")


def read_label(sector: bytes) -> PoolLabel | None:
    """Return the label in the first *sector* of a device; None if it has no label.

    A label has the magic and a version 4.1.x, as in lvm2.
    """
    if len(sector) < SECTOR_BYTES:
        return None
    label = PoolLabel.unpack(sector)
    if label.pl_magic != POOL_MAGIC or label.pl_version >> 8 != POOL_VERSION >> 8:
        return None
    return label


def pool_id(config: PoolConfig) -> int:
    """Return an id of 64 bits for the pool, which depends on nothing but its description."""
    subpools = [
        (each.stripe_sectors, each.type.value, [device.name for device in each.devices])
        for each in config.subpools
    ]
    digest = sha256(f"ssiuml pool {config.name} {config.minor} {subpools}".encode())
    return int.from_bytes(digest.digest()[:8], "big")


def make_labels(config: PoolConfig, device_bytes: dict[str, int]) -> dict[str, PoolLabel]:
    """Return the label of every device of *config* by its name. *device_bytes* has their sizes by name.

    Raise UsageError, with file and line, if a device is too small.
    """
    identity = pool_id(config)
    labels = {}
    for number, subpool in enumerate(config.subpools):
        usable = _usable(config, subpool, device_bytes)
        for index, device in enumerate(subpool.devices):
            labels[device.name] = PoolLabel(
                pl_pool_id=identity,
                pl_pool_name=config.name.encode(),
                pl_subpools=len(config.subpools),
                pl_sp_id=number,
                pl_sp_devs=len(subpool.devices),
                pl_sp_devid=index,
                pl_sp_type=_NUMBER_OF_TYPE[subpool.type],
                pl_blocks=usable[index],
                pl_striping=subpool.stripe_sectors,
                pl_sp_weight=device.weight,
                pl_minor=config.minor,
            )
    return labels


def _usable(config: PoolConfig, subpool: Subpool, device_bytes: dict[str, int]) -> list[int]:
    usable = [
        usable_sectors(device_bytes[device.name] // SECTOR_BYTES, subpool.stripe_sectors)
        for device in subpool.devices
    ]
    first = subpool.devices[0]
    for device, sectors in zip(subpool.devices, usable, strict=True):
        have = device_bytes[device.name]
        where = f"{config.path}:{device.line}: {device.name} has {format_size(have, exact=True)}"
        if sectors <= 0:
            least = RESERVED_BYTES + max(subpool.stripe_sectors * SECTOR_BYTES, RESERVED_BYTES)
            raise UsageError(
                f"{where}, a member needs {format_size(least, exact=True)} or more",
                hint=f"check its file, or give another one: --device {device.name}=FILE",
            )
        if subpool.stripe_sectors and sectors < usable[0]:
            raise UsageError(
                f"{where}, less than {first.name}, whose size counts for all devices of a striped subpool",
                hint="give the smallest device the number 0, or make them equally large",
            )
    return usable
