"""Puts a new GFS1 or GFS2 file system, with a tree in it, onto a file, a device or a pool."""

from dataclasses import dataclass
from pathlib import Path

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.inode_writer import Written
from ssiuml.formats.gfs1 import geometry as gfs1_geometry
from ssiuml.formats.gfs1 import structures as gfs1_structures
from ssiuml.formats.gfs1 import writer as gfs1_writer
from ssiuml.formats.gfs1.writer import Settings as Gfs1Settings
from ssiuml.formats.gfs2 import geometry as gfs2_geometry
from ssiuml.formats.gfs2 import writer as gfs2_writer
from ssiuml.formats.gfs2.system_files import Choices as Gfs2SystemChoices
from ssiuml.formats.pool.assembly import Pool
from ssiuml.images.volume import Draft, drafting
from ssiuml.tree.tree import Tree
from ssiuml.units import MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What both generations can be told; *time_s* is that of the inodes that the tree does not have.

    *full_journals*: every block of a journal is written, none is a hole in a file.
    """

    lock_protocol: str
    lock_table: str
    time_s: int
    journals: int
    journal_mib: int
    block_size: int
    rgrp_mib: int | None = None
    full_journals: bool = False


@dataclass(frozen=True, slots=True)
class Gfs1Choice:
    """A GFS1 file system; see GeometryOptions and Settings in ssiuml.formats.gfs1."""

    common: Common
    segment_blocks: int = gfs1_geometry.DEFAULT_SEGMENT_BLOCKS
    expert: bool = False
    fs_format: int = gfs1_structures.FORMAT
    multihost_format: int = gfs1_structures.MULTIHOST_FORMAT

    def write(self, draft: Draft, tree: Tree) -> Written:
        """Write the file system into *draft*; errors as in ssiuml.formats.gfs1.writer and .geometry."""
        common = self.common
        wish = gfs1_geometry.GeometryOptions(
            device_bytes=draft.size_bytes,
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
        geometry = gfs1_geometry.plan_geometry(wish)
        return gfs1_writer.write_filesystem(
            draft.path, geometry, settings, tree, start_bytes=draft.start_bytes
        )


@dataclass(frozen=True, slots=True)
class Gfs2Choice:
    """A GFS2 file system; see ssiuml.formats.gfs2.writer.Settings."""

    common: Common

    def write(self, draft: Draft, tree: Tree) -> Written:
        """Write the file system into *draft*; errors as in ssiuml.formats.gfs2.writer and .geometry."""
        common = self.common
        try:
            settings = gfs2_writer.Settings(
                geometry=gfs2_geometry.Geometry(
                    draft.size_bytes,
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
        return gfs2_writer.write_filesystem(draft.path, tree, settings, start_bytes=draft.start_bytes)


def make_filesystem(target: Path | Pool, choice: Gfs1Choice | Gfs2Choice, tree: Tree) -> Written:
    """Make the file system on *target*, which has to be there and as large as wanted.

    *target* stays unchanged unless all went well. Raises what volume.drafting and the writers raise.
    """
    with drafting(target) as draft:
        return choice.write(draft, tree)
