"""Writes a whole tree as a GFS2 file system into an image file, without a kernel or a mount."""

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.block_writer import BlockWriter
from ssiuml.formats.gfs.contents import HostFiles
from ssiuml.formats.gfs.inode_writer import InodeWriter, Written
from ssiuml.formats.gfs.inodes import Inode, collect_inodes, plan_inode
from ssiuml.formats.gfs.resource_groups import BlockAllocator, NoSpaceError, ResourceGroup, least_size_bytes
from ssiuml.formats.gfs.structures import Inum, MetaType, lock_name, meta_header
from ssiuml.formats.gfs2.geometry import Geometry, GeometryError
from ssiuml.formats.gfs2.inode_format import Gfs2InodeFormat
from ssiuml.formats.gfs2.structures import FORMAT_1801, FORMAT_1802, Rgrp, Superblock
from ssiuml.formats.gfs2.system_files import (
    Choices,
    SystemFiles,
    place_journals,
    plan_system_files,
    set_counters,
    usage_of,
)
from ssiuml.formats.limits import GFS2_BYTES_MAX
from ssiuml.host.files import replacing
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size

_RB: Final = meta_header(MetaType.RB).pack()
# The UUID of an image derives from its names and sizes: the same build then gives the same bytes.
_UUID_NAMESPACE: Final = uuid.UUID("8d1e7a54-55a8-5e0c-a3a1-6f5fd2f3d4c1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Geometry and superblock of a new file system; equal settings and trees give equal bytes."""

    geometry: Geometry
    lock_protocol: str = "lock_nolock"
    lock_table: str = ""
    fs_format: int = FORMAT_1802
    uuid: bytes | None = None  # 16 bytes; None: derived from the other settings
    choices: Choices = field(default_factory=Choices)

    def __post_init__(self) -> None:
        lock_name("lock protocol", self.lock_protocol)
        lock_name("lock table", self.lock_table)
        if self.fs_format not in (FORMAT_1801, FORMAT_1802):
            raise SsiumlError(f"format {self.fs_format}: there are {FORMAT_1801} and {FORMAT_1802}")

    def image_uuid(self) -> bytes:
        """Return the 16 bytes of the image's UUID."""
        if self.uuid is not None:
            return self.uuid
        # repr contains the names of classes and fields: to rename them would change every image.
        parts = (self.geometry, self.lock_protocol, self.lock_table, self.fs_format, self.choices)
        return uuid.uuid5(_UUID_NAMESPACE, repr(parts)).bytes


@dataclass(frozen=True, slots=True)
class _Image:
    """A file system whose inodes have layouts and addresses; it is not written yet."""

    settings: Settings
    inode_format: Gfs2InodeFormat
    groups: Sequence[ResourceGroup]
    system: SystemFiles
    inodes: Sequence[Inode]

    def written(self) -> Written:
        free = sum(group.free for group in self.groups)
        return Written(len(self.inodes), sum(group.used for group in self.groups), free)


def write_image(target: Path, tree: Tree, settings: Settings) -> Written:
    """Write *target*, a GFS2 file system with *tree* in it; the name appears when the file is complete.

    Free space, and by default nearly all of the journals, are holes. Contents are read while they are
    written. Before anything is written, raise NoSpaceError, with both figures, if the tree does not fit, and
    UnstorableError, with the path, if GFS2 has no place for something in it. Raise TreeError if contents
    have changed since the tree was made or cannot be read. Raise OSError, with a file's name, if the image
    cannot be written.
    """
    with HostFiles() as host_files:
        image = _plan(tree, settings, host_files)
        try:
            with replacing(target) as part, part.open("xb", buffering=0) as stream:
                stream.truncate(settings.geometry.size_bytes)
                _write(image, stream.fileno(), host_files, 0)
        except OSError as error:
            # An error of a call on the open image has no file name; other errors have one.
            error.filename = error.filename or str(target)
            raise
    return image.written()


def write_filesystem(image: Path, tree: Tree, settings: Settings, *, start_bytes: int = 0) -> Written:
    """Write the file system into the existing file *image*, which from byte *start_bytes* on has only holes.

    Raise the errors of write_image. After an error, *image* holds no complete file system.
    """
    with HostFiles() as host_files:
        planned = _plan(tree, settings, host_files)
        with image.open("r+b", buffering=0) as stream:
            _write(planned, stream.fileno(), host_files, start_bytes)
    return planned.written()


def _inode_format(settings: Settings) -> Gfs2InodeFormat:
    return Gfs2InodeFormat(settings.geometry.block_layout, settings.fs_format)


def _plan(tree: Tree, settings: Settings, host_files: HostFiles) -> _Image:
    inode_format = _inode_format(settings)
    inodes = collect_inodes(tree.root)
    for inode in inodes:
        plan_inode(inode, inode_format, host_files)
    system = plan_system_files(settings.geometry, inode_format, settings.choices, usage_of(inodes))
    groups = settings.geometry.groups()
    needed, free = _demand(inodes, system), _supply(groups, system)
    if needed > free:
        block = settings.geometry.block_size
        least = _least_bytes(inodes, settings)
        raise NoSpaceError(
            f"the files need {format_size(needed * block)} with their metadata, "
            f"a file system of {format_size(settings.geometry.size_bytes)} has room for "
            f"{format_size(max(0, free) * block)} besides its journals",
            hint=f"make it {format_size(least, exact=True)} or larger",
            least_bytes=least,
        )
    place_journals(system, groups)
    allocator = BlockAllocator(groups)
    for inode in (*system.others, *inodes):
        inode.runs = allocator.allocate(1, inode.blocks - 1)
    formal_ino = 1
    for inode in (*system.all(), *inodes):
        inode.formal_ino = formal_ino
        formal_ino += 1
    set_counters(system, groups, formal_ino)
    for inode in system.others:
        # mkfs.gfs2 allocates all blocks of these as metadata; its goal stays at the last one.
        last, count = inode.runs[-1]
        inode.goal_meta = last + count - 1
    return _Image(settings, inode_format, groups, system, inodes)


def _demand(inodes: Sequence[Inode], system: SystemFiles) -> int:
    return sum(inode.blocks for inode in inodes) + system.blocks


def _supply(groups: Sequence[ResourceGroup], system: SystemFiles) -> int:
    return sum(group.blocks for group in groups) - sum(inode.blocks for inode in system.journals)


def _least_bytes(inodes: Sequence[Inode], settings: Settings) -> int:
    inode_format, usage = _inode_format(settings), usage_of(inodes)

    def fits(size_bytes: int) -> bool:
        if size_bytes > GFS2_BYTES_MAX:  # no size would fit: this ends the search
            return True
        try:
            candidate = replace(settings.geometry, size_bytes=size_bytes)
        except GeometryError:
            return False
        system = plan_system_files(candidate, inode_format, settings.choices, usage)
        return _demand(inodes, system) <= _supply(candidate.groups(), system)

    return least_size_bytes(fits)


def _write(image: _Image, descriptor: int, host_files: HostFiles, start_bytes: int) -> None:
    block_size = image.settings.geometry.block_size
    with BlockWriter(descriptor, block_size, host_files, start_bytes) as block_writer:
        inode_writer = InodeWriter(image.inode_format, block_writer)
        for inode in image.system.all():
            inode_writer.write(inode)
        for inode in image.inodes:
            inode_writer.write(inode)
        for group, following in zip(image.groups, [*image.groups[1:], None], strict=True):
            _write_group(group, following.address - group.address if following else 0, block_writer)
        block_writer.flush()
        # Last: an interrupted write then leaves an image that nothing will mount. atomic.replacing syncs all
        # blocks to the disk before the image gets its name.
        block_writer.write(image.settings.geometry.superblock, _superblock(image))


def _write_group(group: ResourceGroup, skip: int, block_writer: BlockWriter) -> None:
    header = Rgrp(
        rg_free=group.free,
        rg_dinodes=group.dinodes,
        rg_skip=skip,
        rg_data0=group.first,
        rg_data=group.blocks,
        rg_bitbytes=group.bitmap_bytes,
    )
    head = replace(header, rg_crc=zlib.crc32(header.pack())).pack()
    for number, bits in enumerate(group.bitmap_blocks(block_writer.block_size)):
        block_writer.write(group.address + number, (_RB if number else head) + bits)


def _superblock(image: _Image) -> bytes:
    settings, block_size = image.settings, image.settings.geometry.block_size

    def inum(inode: Inode) -> Inum:
        return Inum(no_formal_ino=inode.formal_ino, no_addr=inode.address)

    superblock = Superblock(
        sb_fs_format=settings.fs_format,
        sb_bsize=block_size,
        sb_bsize_shift=block_size.bit_length() - 1,
        sb_master_dir=inum(image.system.master),
        sb_root_dir=inum(image.inodes[0]),
        sb_lockproto=lock_name("lock protocol", settings.lock_protocol),
        sb_locktable=lock_name("lock table", settings.lock_table),
        sb_uuid=settings.image_uuid(),
    )
    return superblock.pack()
