"""Positions of the resource groups and journals of a GFS1 file system, as gfs_mkfs computed them.

Two data areas of the same size enclose the journals; each data area is divided into resource groups. Block
numbers count from the beginning of the file system.

Source: measurements of images that gfs_mkfs (ClusterLabs resource-agents, 2009) made.
"""

from dataclasses import dataclass
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.resource_groups import BLOCKS_PER_BYTE, RGRP_HEADER_BYTES, ResourceGroup
from ssiuml.formats.gfs.structures import BLOCK_SIZES, META_HEADER_BYTES, SUPERBLOCK_BYTES
from ssiuml.formats.limits import GFS1_BYTES_MAX
from ssiuml.units import MIB, format_size

SECTOR_BYTES: Final = 512
DEFAULT_BLOCK_SIZE: Final = 4096
DEFAULT_JOURNAL_MIB: Final = 128
DEFAULT_SEGMENT_BLOCKS: Final = 16
DEFAULT_RGRP_MIB: Final = 256
MAX_RGRP_MIB: Final = 2048
LEAST_AREA_BLOCKS: Final = 100  # in each data area
MAX_SEGMENT_BYTES: Final = 4 * MIB
MANY_RGRPS: Final = 10_000  # gfs_mkfs makes resource groups larger if a data area has more


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometryOptions:
    """Sizes to compute a geometry from. The limits are those of gfs_mkfs; *expert* (-X) widens them."""

    device_bytes: int
    journals: int
    journal_mib: int = DEFAULT_JOURNAL_MIB
    block_size: int = DEFAULT_BLOCK_SIZE
    segment_blocks: int = DEFAULT_SEGMENT_BLOCKS
    rgrp_mib: int | None = None  # None: 256, or more if that gives more than MANY_RGRPS groups
    expert: bool = False


@dataclass(frozen=True, slots=True)
class Rgrp:
    """A resource group: *length* bitmap blocks from *addr* on, then *data* blocks from *data1* on."""

    addr: int
    length: int
    data1: int
    data: int
    bitbytes: int


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal: *segments* of Geometry.segment_blocks blocks each, from block *addr* on."""

    addr: int
    segments: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """The positions of resource groups and journals on a device of *blocks* blocks."""

    options: GeometryOptions
    blocks: int
    rgrps: tuple[Rgrp, ...]
    journals: tuple[Journal, ...]

    @property
    def block_size(self) -> int:
        return self.options.block_size

    @property
    def segment_blocks(self) -> int:
        return self.options.segment_blocks

    @property
    def superblock(self) -> int:
        """The superblock's block number."""
        return SUPERBLOCK_BYTES // self.block_size

    def groups(self) -> list[ResourceGroup]:
        """Return all resource groups in the order of their addresses, with no block used."""
        return [ResourceGroup(rgrp.addr, rgrp.length, rgrp.data) for rgrp in self.rgrps]


def plan_geometry(options: GeometryOptions) -> Geometry:
    """Compute the geometry. Raise UsageError, with value, limit and way out, for impossible options."""
    _check(options)
    sectors = options.device_bytes // SECTOR_BYTES
    per_journal = options.journal_mib * MIB // SECTOR_BYTES
    half = (sectors - options.journals * per_journal) // 2
    if half < 0:
        raise _too_small(options)
    before = _to_blocks(options, 0, half)
    after = _to_blocks(options, half + options.journals * per_journal, half)
    reserved = SUPERBLOCK_BYTES // options.block_size + 1
    before = (before[0] + reserved, before[1] - reserved)
    journals = tuple(
        _journal(_to_blocks(options, half + number * per_journal, per_journal), options.segment_blocks)
        for number in range(options.journals)
    )
    if min(before[1], after[1]) < LEAST_AREA_BLOCKS:
        raise _too_small(options)
    rgrps = _rgrps(options, before, after)
    return Geometry(
        options=options,
        blocks=options.device_bytes // options.block_size,
        rgrps=rgrps,
        journals=journals,
    )


def needed_device_bytes(options: GeometryOptions) -> int:
    """Return the size in bytes of the smallest device for these journals, without files on it."""
    reserved = SUPERBLOCK_BYTES // options.block_size + 1
    # Rounding may take a block from each end of an area.
    half_blocks = LEAST_AREA_BLOCKS + reserved + 2
    return options.journals * options.journal_mib * MIB + 2 * half_blocks * options.block_size


def _check(options: GeometryOptions) -> None:
    def require(good: bool, problem: str, hint: str) -> None:
        if not good:
            raise UsageError(problem, hint=hint)

    sizes = ", ".join(map(str, BLOCK_SIZES))
    require(
        options.block_size in BLOCK_SIZES,
        f"block size {options.block_size}: GFS1 has no such block size",
        f"give one of {sizes}",
    )
    require(
        options.journals >= 1,
        f"{options.journals} journals are too few",
        "give 1 or more; every node that mounts the file system needs its own",
    )
    least = 1 if options.expert else 32
    require(
        options.journal_mib >= least,
        f"journals of {options.journal_mib} MiB are too small",
        f"give at least {least} MiB" + ("" if options.expert else ", or 1 MiB with the expert's option -X"),
    )
    require(
        options.segment_blocks >= 2,
        f"journal segments of {options.segment_blocks} blocks are too small",
        "give 2 blocks or more",
    )
    segment_bytes = options.segment_blocks * options.block_size
    segment_size = format_size(segment_bytes)
    require(
        options.expert or segment_bytes <= MAX_SEGMENT_BYTES,
        f"journal segments of {segment_size} are too large",
        f"give at most {format_size(MAX_SEGMENT_BYTES)}",
    )
    require(
        segment_bytes * 4 <= options.journal_mib * MIB,
        f"a journal of {options.journal_mib} MiB has fewer than four segments of {segment_size}",
        "give larger journals or smaller segments",
    )
    least = 1 if options.expert else 32
    require(
        options.rgrp_mib is None or least <= options.rgrp_mib <= MAX_RGRP_MIB,
        f"resource groups of {options.rgrp_mib} MiB are not possible",
        f"give {least} to {MAX_RGRP_MIB} MiB",
    )
    require(
        options.device_bytes <= GFS1_BYTES_MAX,
        f"a device of {format_size(options.device_bytes)} is too large",
        f"give at most {format_size(GFS1_BYTES_MAX)}",
    )


def _too_small(options: GeometryOptions) -> UsageError:
    count = "1 journal" if options.journals == 1 else f"{options.journals} journals"
    size = format_size(options.device_bytes)
    needed_mib = -(-needed_device_bytes(options) // MIB)
    return UsageError(
        f"the device has {size}, {count} of {options.journal_mib} MiB and the least room besides them need "
        f"{needed_mib} MiB",
        hint="give a larger device, or fewer or smaller journals",
    )


def _to_blocks(options: GeometryOptions, start: int, length: int) -> tuple[int, int]:
    """Convert start and length of an area from sectors to blocks; incomplete blocks are lost."""
    per_block = options.block_size // SECTOR_BYTES
    shift = -start % per_block
    return (start + shift) // per_block, max(length - shift, 0) // per_block


def _journal(area: tuple[int, int], segment_blocks: int) -> Journal:
    start, length = area
    shift = -start % segment_blocks
    return Journal(start + shift, (length - shift) // segment_blocks)


def _rgrps(options: GeometryOptions, *areas: tuple[int, int]) -> tuple[Rgrp, ...]:
    mib = options.rgrp_mib or DEFAULT_RGRP_MIB
    while True:
        counts = [_rgrp_count(options, mib, length) for _, length in areas]
        if options.rgrp_mib is not None or mib >= MAX_RGRP_MIB or max(counts) <= MANY_RGRPS:
            break
        mib += 256
    return tuple(
        rgrp
        for area, count in zip(areas, counts, strict=True)
        for rgrp in _divide(area, count, options.block_size)
    )


def _rgrp_count(options: GeometryOptions, mib: int, length: int) -> int:
    per_rgrp = mib * MIB // options.block_size
    return max(-(-length // per_rgrp), 1 if options.expert else 4)


def _divide(area: tuple[int, int], count: int, block_size: int) -> list[Rgrp]:
    start, length = area
    each = length // count
    rgrps = []
    for number in range(count):
        blocks = length - (count - 1) * each if number == 0 else each
        rgrps.append(_rgrp(start, blocks, block_size))
        start += blocks
    return rgrps


def _rgrp(addr: int, blocks: int, block_size: int) -> Rgrp:
    """Divide *blocks* into bitmap and data; a few blocks at the end may stay unused."""
    length, room, room_before = 1, block_size - RGRP_HEADER_BYTES, 0
    while (needed := (blocks - length) // BLOCKS_PER_BYTE) > room:
        room_before = room
        length, room = length + 1, room + block_size - META_HEADER_BYTES
    if room_before >= needed:  # the last bitmap block took blocks from the data: it is not needed any more
        length -= 1
    return Rgrp(addr, length, addr + length, needed * BLOCKS_PER_BYTE, needed)
