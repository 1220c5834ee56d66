"""Where a GFS1 file system has its resource groups and journals, computed as gfs_mkfs did it.

Two data areas of the same size enclose the journals; each data area is cut into resource groups. Blocks are
numbered from the begin of the file system.

Source: the rules by which gfs_mkfs (ClusterLabs resource-agents, 2009) laid out its images, measured.
"""

from dataclasses import dataclass
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.space import BLOCKS_PER_BYTE, RGRP_HEADER_BYTES
from ssiuml.formats.gfs.structures import BLOCK_SIZES, META_HEADER_BYTES, SUPERBLOCK_BYTES
from ssiuml.units import MIB, format_size

SECTOR_BYTES: Final = 512
DEFAULT_BLOCK_SIZE: Final = 4096
DEFAULT_JOURNAL_MIB: Final = 128
DEFAULT_SEGMENT_BLOCKS: Final = 16
DEFAULT_RGRP_MIB: Final = 256
MAX_RGRP_MIB: Final = 2048
MAX_DEVICE_BYTES: Final = 1 << 44  # what GFS of 2004 was supported on, on 32-bit machines
LEAST_AREA_BLOCKS: Final = 100
MAX_SEGMENT_BYTES: Final = 4 * MIB
MANY_RGRPS: Final = 10_000  # more than these, and gfs_mkfs makes them larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a file system is to be like. The limits are those of gfs_mkfs; *expert* widens them."""

    device_bytes: int
    journals: int
    journal_mib: int = DEFAULT_JOURNAL_MIB
    block_size: int = DEFAULT_BLOCK_SIZE
    segment_blocks: int = DEFAULT_SEGMENT_BLOCKS
    rgrp_mib: int | None = None  # None: 256, more where that gives very many
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
    """A journal: *segments* of the geometry's segment_blocks each, from block *addr* on."""

    addr: int
    segments: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """A whole file system as it was wished for; *blocks* are all of the device."""

    wish: Wish
    blocks: int
    rgrps: tuple[Rgrp, ...]
    journals: tuple[Journal, ...]

    @property
    def block_size(self) -> int:
        return self.wish.block_size

    @property
    def segment_blocks(self) -> int:
        return self.wish.segment_blocks

    @property
    def superblock(self) -> int:
        """The superblock's block number."""
        return SUPERBLOCK_BYTES // self.block_size


def plan_geometry(wish: Wish) -> Geometry:
    """Lay out a file system. UsageError, with value, limit and way out, if it cannot be made as wished."""
    _check(wish)
    sectors = wish.device_bytes // SECTOR_BYTES
    per_journal = wish.journal_mib * MIB // SECTOR_BYTES
    half = (sectors - wish.journals * per_journal) // 2
    if half < 0:
        raise _too_small(wish)
    before = _to_blocks(wish, 0, half)
    after = _to_blocks(wish, half + wish.journals * per_journal, half)
    reserved = SUPERBLOCK_BYTES // wish.block_size + 1
    before = (before[0] + reserved, before[1] - reserved)
    journals = tuple(
        _journal(_to_blocks(wish, half + number * per_journal, per_journal), wish.segment_blocks)
        for number in range(wish.journals)
    )
    if min(before[1], after[1]) < LEAST_AREA_BLOCKS:
        raise _too_small(wish)
    rgrps = _rgrps(wish, before, after)
    return Geometry(
        wish=wish,
        blocks=wish.device_bytes // wish.block_size,
        rgrps=rgrps,
        journals=journals,
    )


def needed_device_bytes(wish: Wish) -> int:
    """The least device for *wish*'s journals with nothing else on it, in bytes."""
    reserved = SUPERBLOCK_BYTES // wish.block_size + 1
    # Areas may lose a block at each end to rounding.
    half_blocks = LEAST_AREA_BLOCKS + reserved + 2
    return wish.journals * wish.journal_mib * MIB + 2 * half_blocks * wish.block_size


def _check(wish: Wish) -> None:
    def require(good: bool, problem: str, hint: str) -> None:
        if not good:
            raise UsageError(problem, hint=hint)

    sizes = ", ".join(map(str, BLOCK_SIZES))
    require(
        wish.block_size in BLOCK_SIZES, f"block size {wish.block_size}: GFS1 has others", f"one of {sizes}"
    )
    require(wish.journals >= 1, f"{wish.journals} journals", "every node that mounts needs one: 1 or more")
    least = 1 if wish.expert else 32
    require(
        wish.journal_mib >= least,
        f"journals of {wish.journal_mib} MiB are too small",
        f"at least {least} MiB" + ("" if wish.expert else ", or 1 MiB with the expert's option -X"),
    )
    require(wish.segment_blocks >= 2, f"journal segments of {wish.segment_blocks} blocks", "2 blocks or more")
    segment_bytes = wish.segment_blocks * wish.block_size
    require(
        wish.expert or segment_bytes <= MAX_SEGMENT_BYTES,
        f"journal segments of {format_size(segment_bytes)}",
        f"at most {format_size(MAX_SEGMENT_BYTES)}",
    )
    require(
        wish.segment_blocks * wish.block_size * 4 <= wish.journal_mib * MIB,
        f"a journal of {wish.journal_mib} MiB has fewer than four segments of {format_size(segment_bytes)}",
        "larger journals, or smaller segments",
    )
    least = 1 if wish.expert else 32
    require(
        wish.rgrp_mib is None or least <= wish.rgrp_mib <= MAX_RGRP_MIB,
        f"resource groups of {wish.rgrp_mib} MiB",
        f"{least} to {MAX_RGRP_MIB} MiB",
    )
    require(
        wish.device_bytes <= MAX_DEVICE_BYTES,
        f"a device of {format_size(wish.device_bytes)}",
        f"at most {format_size(MAX_DEVICE_BYTES)}",
    )


def _too_small(wish: Wish) -> UsageError:
    count = "1 journal" if wish.journals == 1 else f"{wish.journals} journals"
    needed_mib = -(-needed_device_bytes(wish) // MIB)
    return UsageError(
        f"the device has {format_size(wish.device_bytes)}, {count} of {wish.journal_mib} MiB and the least "
        f"besides them need {needed_mib} MiB",
        hint="a larger device, or fewer or smaller journals",
    )


def _to_blocks(wish: Wish, start: int, length: int) -> tuple[int, int]:
    """Start and length in blocks of an area given in sectors; what is no whole block is lost."""
    per_block = wish.block_size // SECTOR_BYTES
    shift = -start % per_block
    return (start + shift) // per_block, max(length - shift, 0) // per_block


def _journal(area: tuple[int, int], segment_blocks: int) -> Journal:
    start, length = area
    shift = -start % segment_blocks
    return Journal(start + shift, (length - shift) // segment_blocks)


def _rgrps(wish: Wish, *areas: tuple[int, int]) -> tuple[Rgrp, ...]:
    mib = wish.rgrp_mib or DEFAULT_RGRP_MIB
    while True:
        counts = [_count(wish, mib, length) for _, length in areas]
        if wish.rgrp_mib is not None or mib >= MAX_RGRP_MIB or max(counts) <= MANY_RGRPS:
            break
        mib += 256
    return tuple(
        rgrp for area, count in zip(areas, counts, strict=True) for rgrp in _cut(area, count, wish.block_size)
    )


def _count(wish: Wish, mib: int, length: int) -> int:
    per_rgrp = mib * MIB // wish.block_size
    return max(-(-length // per_rgrp), 1 if wish.expert else 4)


def _cut(area: tuple[int, int], count: int, block_size: int) -> list[Rgrp]:
    start, length = area
    each = length // count
    rgrps = []
    for number in range(count):
        blocks = length - (count - 1) * each if number == 0 else each
        rgrps.append(_rgrp(start, blocks, block_size))
        start += blocks
    return rgrps


def _rgrp(addr: int, blocks: int, block_size: int) -> Rgrp:
    """Divide *blocks* into bitmap and data; up to some blocks at the end stay unused."""
    length, room, room_before = 1, block_size - RGRP_HEADER_BYTES, 0
    while (needed := (blocks - length) // BLOCKS_PER_BYTE) > room:
        room_before = room
        length, room = length + 1, room + block_size - META_HEADER_BYTES
    if room_before >= needed:  # the last bitmap block took so many blocks that it is not needed
        length -= 1
    return Rgrp(addr, length, addr + length, needed * BLOCKS_PER_BYTE, needed)
