"""Writes a GFS1 file system with a whole tree in it."""

from dataclasses import replace
from pathlib import Path

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.contents import Sources
from ssiuml.formats.gfs.inodes import Inode, inventory, plan
from ssiuml.formats.gfs.output import Output
from ssiuml.formats.gfs.space import Group, NoSpaceError, Space, least_bytes
from ssiuml.formats.gfs.writing import InodeWriter, Written
from ssiuml.formats.gfs1.generation import Gfs1
from ssiuml.formats.gfs1.geometry import MAX_DEVICE_BYTES, Geometry, plan_geometry
from ssiuml.formats.gfs1.special import (
    Settings,
    Specials,
    groups_of,
    journal_blocks,
    make_specials,
    rgrp_blocks,
    superblock,
)
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size


def write_filesystem(
    image: Path, geometry: Geometry, settings: Settings, tree: Tree, *, start_bytes: int = 0
) -> Written:
    """Write a file system from byte *start_bytes* of *image* on, an existing file with holes only from there.

    The same tree, geometry and settings give the same bytes. Everything is planned before anything is
    written, and the superblock is written last. Raises NoSpaceError, with both figures, if the tree does not
    fit, UnstorableError, with the path, if something in it has no place in GFS1, TreeError if a file has
    changed since the tree was made, and OSError.
    """
    groups = groups_of(geometry)
    specials = make_specials(geometry, settings, groups[0])
    generation = Gfs1(geometry.block_size, groups, specials.root)
    with Sources() as sources, image.open("r+b", buffering=0) as stream:
        inodes = inventory(tree.root)
        for inode in inodes:
            plan(inode, generation, sources)
        _place(inodes, groups, specials.root, geometry, settings)
        with Output(stream.fileno(), geometry.block_size, sources, start_bytes) as output:
            writer = InodeWriter(generation, output)
            for inode in inodes:
                writer.write(inode)
            _write_rest(output, geometry, settings, groups, specials)
            output.flush()
            output.put(*superblock(geometry, settings, specials))
    free = sum(group.free for group in groups)
    return Written(len(inodes), sum(group.used for group in groups), free)


def _place(
    inodes: list[Inode], groups: list[Group], root_address: int, geometry: Geometry, settings: Settings
) -> None:
    """Give every inode its blocks; NoSpaceError before the first one if there are not enough for all."""
    space = Space(groups)
    needed = sum(inode.blocks for inode in inodes) - 1  # the root has its first one
    if needed > space.free:
        block = geometry.block_size
        journals = sum(journal.segments for journal in geometry.journals) * geometry.segment_blocks
        least = _least_bytes(needed, geometry, settings)
        raise NoSpaceError(
            f"the files need {format_size(needed * block)}, the file system of "
            f"{format_size(geometry.blocks * block)} has room for {format_size(space.free * block)} beside "
            f"{format_size(journals * block)} of journals",
            hint=f"make it {format_size(least, exact=True)} or larger",
            least_bytes=least,
        )
    for inode in inodes:
        if inode.parent is None:
            more = space.allocate(inode.metadata_blocks - 1, inode.data_blocks, is_inode=False)
            inode.runs = [(root_address, 1), *more]
        else:
            inode.runs = space.allocate(inode.metadata_blocks, inode.data_blocks)
        inode.formal = inode.address


def _least_bytes(needed_blocks: int, geometry: Geometry, settings: Settings) -> int:
    """The size of the smallest device with room for so many blocks besides the special inodes."""

    def fits(size_bytes: int) -> bool:
        if size_bytes > MAX_DEVICE_BYTES:  # nothing that fits would be found
            return True
        try:
            candidate = plan_geometry(replace(geometry.wish, device_bytes=size_bytes))
            groups = groups_of(candidate)
            make_specials(candidate, settings, groups[0])
        except (UsageError, NoSpaceError):
            return False
        return needed_blocks <= sum(group.free for group in groups)

    return least_bytes(fits)


def _write_rest(
    output: Output, geometry: Geometry, settings: Settings, groups: list[Group], specials: Specials
) -> None:
    """Write everything that is no inode of the tree, but for the superblock."""
    for address, data in specials.blocks:
        output.put(address, data)
    for group in groups:
        for address, data in rgrp_blocks(group, geometry.block_size):
            output.put(address, data)
    for address, data in journal_blocks(geometry, settings):
        output.put(address, data)
