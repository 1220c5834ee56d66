"""What a GFS1 file system has besides files: journals, the special inodes, resource groups, superblock.

Everything is made as blocks: a number and the bytes from the block's begin on, to be filled up with zeros.

Source: gfs_mkfs (ClusterLabs resource-agents, 2009): order and values are those of its images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.shape import PointerTree, Run, Shape, full_tree, placed, pointers_to
from ssiuml.formats.gfs.space import Group, NoSpaceError, resource_index
from ssiuml.formats.gfs.structures import (
    Flag,
    Inum,
    MetaHeader,
    MetaType,
    Payload,
    Quota,
    lock_name,
    meta_header,
)
from ssiuml.formats.gfs1.geometry import Geometry
from ssiuml.formats.gfs1.structures import (
    FORMAT,
    LOG_HEADER_COPY_BYTES,
    MULTIHOST_FORMAT,
    OLD_FORMATS,
    OLD_MULTIHOST_FORMAT,
    Dinode,
    FileType,
    IndirectHeader,
    JournalIndexEntry,
    LogHeader,
    Rgrp,
    Superblock,
)

Block = tuple[int, bytes]

_SPECIAL_MODE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What stands in the superblock and in the special inodes besides the geometry.

    *first_sequences* are the sequence numbers of the journals' first segments, 0 for those not given; a
    kernel looks for the highest one, so that any will do. *full_journals*: the blocks between log headers are
    written too, as zeros, so that journals have no holes in the image.
    """

    lock_protocol: str
    lock_table: str
    time_s: int
    fs_format: int = FORMAT
    multihost_format: int = MULTIHOST_FORMAT
    first_sequences: Sequence[int] = ()
    full_journals: bool = False

    def __post_init__(self) -> None:
        lock_name("lock protocol", self.lock_protocol)
        lock_name("lock table", self.lock_table)
        _require_known("format", self.fs_format, (*OLD_FORMATS, FORMAT))
        _require_known("multihost format", self.multihost_format, (OLD_MULTIHOST_FORMAT, MULTIHOST_FORMAT))


def _require_known(what: str, number: int, known: Sequence[int]) -> None:
    if number not in known:
        raise UsageError(f"{what} {number}: is none of GFS1's", hint=f"one of {', '.join(map(str, known))}")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the contents of a special inode lie; *tree* is None if they are stuffed."""

    addr: int
    contents: bytes
    tree: PointerTree | None
    data: tuple[Run, ...]
    indirect: tuple[Run, ...]

    @property
    def blocks(self) -> int:
        return 1 + (self.tree.data_blocks + self.tree.indirect_blocks if self.tree else 0)


@dataclass(frozen=True, slots=True)
class Specials:
    """Addresses of the special inodes, and the blocks of all of them but the root directory."""

    jindex: int
    rindex: int
    quota: int
    license: int
    root: int
    blocks: tuple[Block, ...]


def make_specials(geometry: Geometry, settings: Settings, group: Group) -> Specials:
    """Give the special inodes the first blocks of the first resource group *group*, and make them.

    NoSpaceError if they do not fit into it.
    """
    shape = Shape(geometry.block_size, IndirectHeader.size_bytes())
    jindex, rindex, quota, licence, root = (_take_dinode(group) for _ in range(5))
    jindex_plan = _place(shape, group, jindex, _jindex(geometry))
    rindex_plan = _place(shape, group, rindex, resource_index(groups_of(geometry)))
    # gfs_mkfs charges root, as user and as group, with what it has allocated.
    charge = Quota(qu_value=group.used).pack()
    blocks = [
        *_special(shape, settings, jindex_plan, Payload.JOURNAL_INDEX),
        *_special(shape, settings, rindex_plan, Payload.RESOURCE_INDEX),
        *_special(shape, settings, _Plan(quota, 2 * charge, None, (), ()), Payload.QUOTAS),
        # The license's payload format is the quota's, with gfs_mkfs too.
        *_special(shape, settings, _Plan(licence, b"", None, (), ()), Payload.QUOTAS),
    ]
    return Specials(jindex, rindex, quota, licence, root, tuple(blocks))


def _take_dinode(group: Group) -> int:
    addr = _take(group, 1)
    group.dinodes += 1
    return addr


def _take(group: Group, count: int) -> int:
    if group.free < count:
        raise NoSpaceError(
            f"the first resource group, of {group.blocks} blocks, is too small for the special inodes",
            hint="larger blocks, a larger device or larger resource groups",
        )
    addr = group.take(count)
    group.mark(addr, count)
    return addr


def _place(shape: Shape, group: Group, addr: int, contents: bytes) -> _Plan:
    """Data blocks first, then the indirect ones above them and so on upward, as gfs_mkfs does it."""
    if shape.height(len(contents), with_headers=True) == 0:
        return _Plan(addr, contents, None, (), ())
    tree = full_tree(shape, len(contents), with_headers=True)
    data = (_take(group, tree.data_blocks), tree.data_blocks)
    indirect = []
    for level in reversed(tree.levels):
        count = sum(run[1] for run in level)
        indirect.append((_take(group, count), count))
    return _Plan(addr, contents, tree, (data,), tuple(reversed(indirect)))


def _jindex(geometry: Geometry) -> bytes:
    return b"".join(
        JournalIndexEntry(ji_addr=journal.addr, ji_nsegment=journal.segments).pack()
        for journal in geometry.journals
    )


def _special(shape: Shape, settings: Settings, plan: _Plan, payload: Payload) -> Iterator[Block]:
    dinode = Dinode(
        di_num=Inum(no_formal_ino=plan.addr, no_addr=plan.addr),
        di_mode=_SPECIAL_MODE,
        di_nlink=1,
        di_size=len(plan.contents),
        di_blocks=plan.blocks,
        di_atime=settings.time_s,
        di_mtime=settings.time_s,
        di_ctime=settings.time_s,
        di_flags=Flag.JDATA,
        di_payload_format=payload,
        di_type=FileType.REGULAR,
        di_height=plan.tree.height if plan.tree else 0,
    ).pack()
    if plan.tree is None:
        yield plan.addr, dinode + plan.contents
        return
    header = meta_header(MetaType.JD).pack()
    unit = shape.unit_bytes(with_headers=True)
    first = plan.data[0][0]
    for index, start in enumerate(range(0, len(plan.contents), unit)):
        yield first + index, header + plan.contents[start : start + unit]
    levels = list(zip(plan.tree.levels, plan.indirect, strict=True))
    below = placed(plan.tree.data, plan.data)
    for indexes, run in reversed(levels):
        pointers = pointers_to(below, shape.block_pointers)
        for number, words in enumerate(pointers):
            yield run[0] + number, IndirectHeader().pack() + words
        below = placed(indexes, [run])
    (words,) = pointers_to(below, shape.inode_pointers)
    yield plan.addr, dinode + words


def journal_blocks(geometry: Geometry, settings: Settings) -> Iterator[Block]:
    """Clean, empty journals: a log header in the first block of every segment, zeros in the others.

    Unless journals are to be full, what is yielded ends with the log header.
    """
    whole = geometry.segment_blocks * geometry.block_size if settings.full_journals else 0
    for number, journal in enumerate(geometry.journals):
        given = settings.first_sequences[number : number + 1]
        start = given[0] if given else 0
        for segment in range(journal.segments):
            block = journal.addr + segment * geometry.segment_blocks
            header = LogHeader(lh_first=block, lh_sequence=(start + segment) % journal.segments).pack()
            yield block, (header.ljust(LOG_HEADER_COPY_BYTES, b"\0") + header).ljust(whole, b"\0")


def rgrp_blocks(group: Group, block_size: int) -> Iterator[Block]:
    """The header and the bitmap of a resource group, as far as it has been given out."""
    header: Rgrp | MetaHeader = Rgrp(
        rg_free=group.free, rg_useddi=group.dinodes, rg_usedmeta=group.marked - group.dinodes
    )
    for number, bits in enumerate(group.bitmap_blocks(block_size)):
        yield group.address + number, header.pack() + bits
        header = meta_header(MetaType.RB)


def groups_of(geometry: Geometry) -> list[Group]:
    """The resource groups as space to give out."""
    return [Group(rgrp.addr, rgrp.length, rgrp.data) for rgrp in geometry.rgrps]


def superblock(geometry: Geometry, settings: Settings, specials: Specials) -> Block:
    """The superblock; it is to be written last, so that nothing mounts what is not whole."""

    def inum(addr: int) -> Inum:
        return Inum(no_formal_ino=addr, no_addr=addr)

    return geometry.superblock, Superblock(
        sb_fs_format=settings.fs_format,
        sb_multihost_format=settings.multihost_format,
        sb_bsize=geometry.block_size,
        sb_bsize_shift=geometry.block_size.bit_length() - 1,
        sb_seg_size=geometry.segment_blocks,
        sb_jindex_di=inum(specials.jindex),
        sb_rindex_di=inum(specials.rindex),
        sb_root_di=inum(specials.root),
        sb_lockproto=lock_name("lock protocol", settings.lock_protocol),
        sb_locktable=lock_name("lock table", settings.lock_table),
        sb_quota_di=inum(specials.quota),
        sb_license_di=inum(specials.license),
    ).pack()
