"""Writes a whole tree as a GFS2 file system into an image file, without a kernel or a mount."""

import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.contents import Sources
from ssiuml.formats.gfs.inodes import Inode, inventory, plan
from ssiuml.formats.gfs.output import Output
from ssiuml.formats.gfs.space import Group, NoSpaceError, Space, least_bytes
from ssiuml.formats.gfs.structures import Inum, MetaType, lock_name, meta_header
from ssiuml.formats.gfs.writing import InodeWriter, Written
from ssiuml.formats.gfs2.generation import Gfs2
from ssiuml.formats.gfs2.geometry import SIZE_BYTES_MAX, Geometry, GeometryError
from ssiuml.formats.gfs2.structures import FORMAT_1801, FORMAT_1802, Rgrp, Superblock
from ssiuml.formats.gfs2.system import (
    Choices,
    SystemFiles,
    place_journals,
    plan_system,
    set_counters,
    usage_of,
)
from ssiuml.host.atomic import replacing
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size

_RB: Final = meta_header(MetaType.RB).pack()
# Every image has a UUID of its own names and sizes, so that the same build gives the same bytes.
_UUID_SPACE: Final = uuid.UUID("8d1e7a54-55a8-5e0c-a3a1-6f5fd2f3d4c1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a file system is to be like; the same settings and the same tree give the same bytes."""

    geometry: Geometry
    lock_protocol: str = "lock_nolock"
    lock_table: str = ""
    fs_format: int = FORMAT_1802
    uuid: bytes | None = None  # 16 bytes; None: made of the other settings
    choices: Choices = field(default_factory=Choices)

    def __post_init__(self) -> None:
        lock_name("lock protocol", self.lock_protocol)
        lock_name("lock table", self.lock_table)
        if self.fs_format not in (FORMAT_1801, FORMAT_1802):
            raise SsiumlError(f"format {self.fs_format}: there are {FORMAT_1801} and {FORMAT_1802}")

    def made_uuid(self) -> bytes:
        """The UUID that the image gets."""
        if self.uuid is not None:
            return self.uuid
        parts = (self.geometry, self.lock_protocol, self.lock_table, self.fs_format, self.choices)
        return uuid.uuid5(_UUID_SPACE, repr(parts)).bytes


@dataclass(frozen=True, slots=True)
class _Image:
    """Everything planned and placed, nothing written."""

    settings: Settings
    generation: Gfs2
    groups: Sequence[Group]
    system: SystemFiles
    inodes: Sequence[Inode]

    def written(self) -> Written:
        free = sum(group.free for group in self.groups)
        return Written(len(self.inodes), sum(group.used for group in self.groups), free)


def write_image(target: Path, tree: Tree, settings: Settings) -> Written:
    """Write *target*: a GFS2 file system with *tree* in it; the name appears when it is whole.

    Free space, and by default nearly all of the journals, are holes. Contents stream from where they lie.
    Raises NoSpaceError, with both figures, if the tree does not fit, UnstorableError for what GFS2 cannot
    hold, both before anything is written; TreeError if contents have changed since the tree was made;
    OSError, with a file's name, if it cannot be read or the image cannot be written.
    """
    with Sources() as sources:
        image = _plan(tree, settings, sources)
        try:
            with replacing(target) as part, part.open("xb", buffering=0) as stream:
                stream.truncate(settings.geometry.size_bytes)
                _write(image, stream.fileno(), sources, 0)
        except OSError as error:
            # Calls on open files do not say which one it was; what cannot be read has its name.
            error.filename = error.filename or str(target)
            raise
    return image.written()


def write_filesystem(image: Path, tree: Tree, settings: Settings, *, start_bytes: int = 0) -> Written:
    """Write the file system from byte *start_bytes* of *image* on, a file with nothing but holes there.

    As write_image otherwise; what is in *image* when this fails is no file system.
    """
    with Sources() as sources:
        planned = _plan(tree, settings, sources)
        with image.open("r+b", buffering=0) as stream:
            _write(planned, stream.fileno(), sources, start_bytes)
    return planned.written()


def _generation(settings: Settings) -> Gfs2:
    return Gfs2(settings.geometry.shape, settings.fs_format)


def _planned_inodes(tree: Tree, generation: Gfs2, sources: Sources) -> list[Inode]:
    inodes = inventory(tree.root)
    for inode in inodes:
        plan(inode, generation, sources)
    return inodes


def _plan(tree: Tree, settings: Settings, sources: Sources) -> _Image:
    generation = _generation(settings)
    inodes = _planned_inodes(tree, generation, sources)
    system = plan_system(settings.geometry, generation, settings.choices, usage_of(inodes))
    groups = settings.geometry.groups()
    needed, free = _demand(inodes, system), _supply(groups, system)
    if needed > free:
        block = settings.geometry.block_size
        least = _least_bytes(inodes, settings)
        raise NoSpaceError(
            f"the files need {format_size(needed * block)} with all that belongs to them, "
            f"a file system of {format_size(settings.geometry.size_bytes)} has room for "
            f"{format_size(max(0, free) * block)} besides its journals",
            hint=f"make it {format_size(least, exact=True)} or larger",
            least_bytes=least,
        )
    place_journals(system, groups)
    space = Space(groups)
    for inode in (*system.others, *inodes):
        inode.runs = space.allocate(1, inode.blocks - 1)
    formal = 1
    for inode in (*system.all(), *inodes):
        inode.formal = formal
        formal += 1
    set_counters(system, groups, formal)
    for inode in system.others:
        # mkfs.gfs2 takes the blocks of these for metadata and leaves where it was then.
        last, count = inode.runs[-1]
        inode.goal_meta = last + count - 1
    return _Image(settings, generation, groups, system, inodes)


def _demand(inodes: Sequence[Inode], system: SystemFiles) -> int:
    return sum(inode.blocks for inode in inodes) + system.blocks


def _supply(groups: Sequence[Group], system: SystemFiles) -> int:
    return sum(group.blocks for group in groups) - sum(inode.blocks for inode in system.journals)


def _least_bytes(inodes: Sequence[Inode], settings: Settings) -> int:
    generation, usage = _generation(settings), usage_of(inodes)

    def fits(size_bytes: int) -> bool:
        if size_bytes > SIZE_BYTES_MAX:  # nothing that fits would be found
            return True
        try:
            candidate = replace(settings.geometry, size_bytes=size_bytes)
        except GeometryError:
            return False
        system = plan_system(candidate, generation, settings.choices, usage)
        return _demand(inodes, system) <= _supply(candidate.groups(), system)

    return least_bytes(fits)


def _write(image: _Image, number: int, sources: Sources, start_bytes: int) -> None:
    with Output(number, image.settings.geometry.block_size, sources, start_bytes) as output:
        writer = InodeWriter(image.generation, output)
        for inode in image.system.all():
            writer.write(inode)
        for inode in image.inodes:
            writer.write(inode)
        for group, following in zip(image.groups, [*image.groups[1:], None], strict=True):
            _write_group(group, following.address - group.address if following else 0, output)
        output.flush()
        # Last, so that what an interrupted write leaves is nothing that anybody mounts. It is on the disk
        # with all the rest before the image gets its name (atomic.replacing).
        output.put(image.settings.geometry.superblock, _superblock(image))


def _write_group(group: Group, skip: int, output: Output) -> None:
    header = Rgrp(
        rg_free=group.free,
        rg_dinodes=group.dinodes,
        rg_skip=skip,
        rg_data0=group.first,
        rg_data=group.blocks,
        rg_bitbytes=group.bitmap_bytes,
    )
    head = replace(header, rg_crc=zlib.crc32(header.pack())).pack()
    for number, bits in enumerate(group.bitmap_blocks(output.block_size)):
        output.put(group.address + number, (_RB if number else head) + bits)


def _superblock(image: _Image) -> bytes:
    settings, block_size = image.settings, image.settings.geometry.block_size

    def inum(inode: Inode) -> Inum:
        return Inum(no_formal_ino=inode.formal, no_addr=inode.address)

    superblock = Superblock(
        sb_fs_format=settings.fs_format,
        sb_bsize=block_size,
        sb_bsize_shift=block_size.bit_length() - 1,
        sb_master_dir=inum(image.system.master),
        sb_root_dir=inum(image.inodes[0]),
        sb_lockproto=lock_name("lock protocol", settings.lock_protocol),
        sb_locktable=lock_name("lock table", settings.lock_table),
        sb_uuid=settings.made_uuid(),
    )
    return superblock.pack()
