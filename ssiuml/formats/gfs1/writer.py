"""Writes a GFS1 file system with a whole tree in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.block_writer import BlockWriter
from ssiuml.formats.gfs.contents import HostFiles
from ssiuml.formats.gfs.inode_writer import InodeWriter, Written
from ssiuml.formats.gfs.inodes import Inode, collect_inodes, plan_inode
from ssiuml.formats.gfs.resource_groups import (
    BlockAllocator,
    NoSpaceError,
    ResourceGroup,
    least_size_bytes,
)
from ssiuml.formats.gfs.structures import Inum, MetaHeader, MetaType, lock_name, meta_header
from ssiuml.formats.gfs1.geometry import Geometry, plan_geometry
from ssiuml.formats.gfs1.inode_format import Gfs1InodeFormat
from ssiuml.formats.gfs1.journal import journal_blocks
from ssiuml.formats.gfs1.structures import (
    FORMAT,
    MULTIHOST_FORMAT,
    OLD_FORMATS,
    OLD_MULTIHOST_FORMAT,
    Rgrp,
    Superblock,
)
from ssiuml.formats.gfs1.system_files import Block, SystemFiles, make_system_files
from ssiuml.formats.limits import GFS1_BYTES_MAX
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Contents of the superblock, the special inodes and the journals, besides the geometry.

    *first_sequences* are the sequence numbers of the journals' first segments, 0 for missing ones. Any number
    will do: a kernel looks for the highest one. With *full_journals*, the blocks between log headers are
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
        raise UsageError(
            f"{what} {number}: GFS1 has no such {what}", hint=f"give one of {', '.join(map(str, known))}"
        )


def write_filesystem(
    image: Path, geometry: Geometry, settings: Settings, tree: Tree, *, start_bytes: int = 0
) -> Written:
    """Write a file system into the existing file *image*, which from byte *start_bytes* on has only holes.

    The same tree, geometry and settings give the same bytes. Everything is planned before anything is
    written, and the superblock is written last. Raise NoSpaceError, with both figures, if the tree does not
    fit; UnstorableError, with the path, if GFS1 has no place for something in it; TreeError if a file has
    changed since the tree was made; OSError if the image cannot be written.
    """
    groups = geometry.groups()
    system_files = make_system_files(geometry, settings.time_s, groups[0])
    inode_format = Gfs1InodeFormat(geometry.block_size, groups, system_files.root)
    with HostFiles() as host_files, image.open("r+b", buffering=0) as stream:
        inodes = collect_inodes(tree.root)
        for inode in inodes:
            plan_inode(inode, inode_format, host_files)
        _allocate(inodes, groups, system_files.root, geometry, settings)
        with BlockWriter(stream.fileno(), geometry.block_size, host_files, start_bytes) as block_writer:
            inode_writer = InodeWriter(inode_format, block_writer)
            for inode in inodes:
                inode_writer.write(inode)
            for address, data in _other_blocks(geometry, settings, groups, system_files):
                block_writer.write(address, data)
            block_writer.flush()
            # Last: an interrupted write then leaves an image that nothing will mount.
            block_writer.write(geometry.superblock, _superblock(geometry, settings, system_files))
    free = sum(group.free for group in groups)
    return Written(len(inodes), sum(group.used for group in groups), free)


def _allocate(
    inodes: list[Inode],
    groups: list[ResourceGroup],
    root_address: int,
    geometry: Geometry,
    settings: Settings,
) -> None:
    """Allocate the blocks of all inodes. Raise NoSpaceError before the first one if there are too few."""
    allocator = BlockAllocator(groups)
    needed = sum(inode.blocks for inode in inodes) - 1  # the root has its dinode already
    if needed > allocator.free:
        block = geometry.block_size
        journals = sum(journal.segments for journal in geometry.journals) * geometry.segment_blocks
        size = geometry.blocks * block
        least = _least_bytes(needed, geometry, settings)
        raise NoSpaceError(
            f"the files need {format_size(needed * block)}, the file system of {format_size(size)} has room "
            f"for {format_size(allocator.free * block)} beside {format_size(journals * block)} of journals",
            hint=f"make it {format_size(least, exact=True)} or larger",
            least_bytes=least,
        )
    for inode in inodes:
        if inode.parent is None:
            more = allocator.allocate(inode.metadata_blocks - 1, inode.data_blocks, is_inode=False)
            inode.runs = [(root_address, 1), *more]
        else:
            inode.runs = allocator.allocate(inode.metadata_blocks, inode.data_blocks)
        inode.formal_ino = inode.address


def _least_bytes(needed_blocks: int, geometry: Geometry, settings: Settings) -> int:
    """Return the size of the smallest device with room for *needed_blocks* besides the special inodes."""

    def fits(size_bytes: int) -> bool:
        if size_bytes > GFS1_BYTES_MAX:  # no size would fit: this ends the search
            return True
        try:
            candidate = plan_geometry(replace(geometry.options, device_bytes=size_bytes))
            groups = candidate.groups()
            make_system_files(candidate, settings.time_s, groups[0])
        except (UsageError, NoSpaceError):
            return False
        return needed_blocks <= sum(group.free for group in groups)

    return least_size_bytes(fits)


def _other_blocks(
    geometry: Geometry, settings: Settings, groups: list[ResourceGroup], system_files: SystemFiles
) -> Iterator[Block]:
    """Yield all blocks except those of the tree's inodes and the superblock."""
    yield from system_files.blocks
    for group in groups:
        yield from _rgrp_blocks(group, geometry.block_size)
    yield from journal_blocks(geometry, settings.first_sequences, full=settings.full_journals)


def _rgrp_blocks(group: ResourceGroup, block_size: int) -> Iterator[Block]:
    """Yield the header and the bitmap blocks of a resource group."""
    header: Rgrp | MetaHeader = Rgrp(
        rg_free=group.free, rg_useddi=group.dinodes, rg_usedmeta=group.marked - group.dinodes
    )
    for number, bits in enumerate(group.bitmap_blocks(block_size)):
        yield group.address + number, header.pack() + bits
        header = meta_header(MetaType.RB)


def _superblock(geometry: Geometry, settings: Settings, system_files: SystemFiles) -> bytes:
    def inum(addr: int) -> Inum:
        return Inum(no_formal_ino=addr, no_addr=addr)

    return Superblock(
        sb_fs_format=settings.fs_format,
        sb_multihost_format=settings.multihost_format,
        sb_bsize=geometry.block_size,
        sb_bsize_shift=geometry.block_size.bit_length() - 1,
        sb_seg_size=geometry.segment_blocks,
        sb_jindex_di=inum(system_files.jindex),
        sb_rindex_di=inum(system_files.rindex),
        sb_root_di=inum(system_files.root),
        sb_lockproto=lock_name("lock protocol", settings.lock_protocol),
        sb_locktable=lock_name("lock table", settings.lock_table),
        sb_quota_di=inum(system_files.quota),
        sb_license_di=inum(system_files.license),
    ).pack()
