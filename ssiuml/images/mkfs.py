"""Make a GFS1 or GFS2 file system with a tree in it on a file, a device or a pool (HOWTO 5.2: mkfs_gfs)."""

from collections.abc import Callable
from dataclasses import dataclass

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.inode_writer import Written
from ssiuml.formats.gfs.structures import require_lock_table
from ssiuml.formats.gfs1 import geometry as gfs1_geometry
from ssiuml.formats.gfs1 import structures as gfs1_structures
from ssiuml.formats.gfs1 import writer as gfs1_writer
from ssiuml.formats.gfs1.writer import Settings as Gfs1Settings
from ssiuml.formats.gfs2 import geometry as gfs2_geometry
from ssiuml.formats.gfs2 import writer as gfs2_writer
from ssiuml.formats.gfs2.system_files import Choices as Gfs2SystemChoices
from ssiuml.host.progress import say
from ssiuml.images.target import StagingFile, Target, replacing_contents
from ssiuml.tree.tree import Tree
from ssiuml.units import MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """Options of both GFS1 and GFS2.

    *time_s*, in seconds since 1970, is the time of the inodes that the tree does not have. With
    *full_journals*, every block of a journal is written, so that the file has no holes there. Raise what
    require_lock_table raises.
    """

    lock_protocol: str
    lock_table: str
    time_s: int
    journals: int
    journal_mib: int
    block_size: int
    rgrp_mib: int | None = None
    full_journals: bool = False

    def __post_init__(self) -> None:
        require_lock_table(self.lock_protocol, self.lock_table)


@dataclass(frozen=True, slots=True)
class Gfs1Options:
    """The options of a GFS1 file system; see GeometryOptions and Settings in formats.gfs1."""

    common: CommonOptions
    segment_blocks: int = gfs1_geometry.DEFAULT_SEGMENT_BLOCKS
    expert: bool = False
    fs_format: int = gfs1_structures.FORMAT
    multihost_format: int = gfs1_structures.MULTIHOST_FORMAT

    def write(self, staging: StagingFile, tree: Tree) -> Written:
        """Write the file system into *staging*. Raise what formats.gfs1.writer and .geometry raise."""
        common = self.common
        options = gfs1_geometry.GeometryOptions(
            device_bytes=staging.size_bytes,
            journals=common.journals,
            journal_mib=common.journal_mib,
            block_size=common.block_size,
            segment_blocks=self.segment_blocks,
            rgrp_mib=common.rgrp_mib,
            expert=self.expert,
        )
        settings = Gfs1Settings(
            lock_protocol=common.lock_protocol,
            lock_table=common.lock_table,
            time_s=common.time_s,
            fs_format=self.fs_format,
            multihost_format=self.multihost_format,
            full_journals=common.full_journals,
        )
        geometry = gfs1_geometry.plan_geometry(options)
        return gfs1_writer.write_filesystem(
            staging.path, geometry, settings, tree, start_bytes=staging.start_bytes
        )


@dataclass(frozen=True, slots=True)
class Gfs2Options:
    """The options of a GFS2 file system; see formats.gfs2.writer.Settings."""

    common: CommonOptions

    def write(self, staging: StagingFile, tree: Tree) -> Written:
        """Write the file system into *staging*. Raise what formats.gfs2.writer and .geometry raise."""
        common = self.common
        try:
            settings = gfs2_writer.Settings(
                geometry=gfs2_geometry.Geometry(
                    staging.size_bytes,
                    common.block_size,
                    common.journals,
                    common.journal_mib * MIB,
                    gfs2_geometry.RGRP_BYTES if common.rgrp_mib is None else common.rgrp_mib * MIB,
                ),
                lock_protocol=common.lock_protocol,
                lock_table=common.lock_table,
                choices=Gfs2SystemChoices(
                    time_ns=common.time_s * 1_000_000_000, full_journals=common.full_journals
                ),
            )
        except gfs2_geometry.GeometryError as error:
            raise UsageError(error.message, hint=error.hint) from error
        return gfs2_writer.write_filesystem(staging.path, tree, settings, start_bytes=staging.start_bytes)


def make_filesystem(
    target: Target,
    options: Gfs1Options | Gfs2Options,
    tree: Tree,
    notice: Callable[[str], None] = say,
) -> Written:
    """Make the file system on *target*, which exists and has the size of the file system.

    *target* and *notice* are as in target.replacing_contents. Raise what that and the writers raise.
    """
    with replacing_contents(target, notice) as staging:
        return options.write(staging, tree)
