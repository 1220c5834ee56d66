"""The root image: a file system with the tree in it, checked (HOWTO 5.2).

There are two ways to make it: write the file system directly, or let a kernel fill a formatted image.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from ssiuml.errors import RecipeError, SsiumlError
from ssiuml.formats.gfs.resource_groups import NoSpaceError
from ssiuml.formats.gfs.structures import SUPERBLOCK_BYTES
from ssiuml.formats.gfs1.structures import FORMAT, MULTIHOST_FORMAT, Superblock
from ssiuml.formats.gfs2.geometry import QUOTA_CHANGE_BYTES, Geometry
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, read_filesystem
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.formats.pool.assembly import Pool
from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.host import files
from ssiuml.host.files import replacing, scratch_folder
from ssiuml.host.progress import stages
from ssiuml.images import gfs2_tools
from ssiuml.images.appliance import ImageContents
from ssiuml.images.mkfs import CommonOptions, Gfs1Options, make_filesystem
from ssiuml.images.target import name_of
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.load import LoadedRecipe
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.tree import Tree
from ssiuml.units import MIB, format_size

# Puts a tree into a formatted image, and returns its contents: the appliance.
Fill = Callable[[Path, Tree], ImageContents]

NS: Final = 1_000_000_000


def write_directly(loaded: LoadedRecipe, tree: Tree, target: Path, time_ns: int) -> ImageContents:
    """Write the image *target* with *tree* in it, and check it with fsck.gfs2. Return the contents of *tree*.

    *time_ns* is the time of the file system's own files. Raise RecipeError, with the needed size, if the tree
    does not fit, SsiumlError if the disk is too full or the image is not clean, and what write_image raises.
    *target* then stays unchanged.
    """
    settings = _settings(loaded, time_ns)
    expected = take_census(tree)
    # Each inode takes a block, and a partial block at its end; nodes keep their quota changes in files.
    blocks = 2 * expected.inodes * settings.geometry.block_size
    room = (
        expected.content_bytes
        + expected.xattr_bytes
        + blocks
        + QUOTA_CHANGE_BYTES * settings.geometry.journals
    )
    files.require_space(target.parent, room, "the root image")
    with stages("copy-root") as show, replacing(target) as part:
        show("writing")
        try:
            write_image(part, tree, settings)
        except NoSpaceError as error:
            raise _too_small(loaded, error.least_bytes) from error
        show("checking")
        gfs2_tools.check_image(part)
        show("done")
    return ImageContents.of(expected)


def write_into_pool(
    loaded: LoadedRecipe, chosen: Gfs1Filesystem, tree: Tree, target: Pool, time_ns: int, step: str
) -> None:
    """Make a GFS1 file system with *tree* in it on the pool *target*, and check it with our reader.

    *time_ns* is the time of the file system's own files; progress lines begin with *step*. Raise RecipeError,
    with the needed size, if the tree does not fit, SsiumlError if the reader finds damage, and what
    make_filesystem raises.
    """
    options = Gfs1Options(
        CommonOptions(
            lock_protocol=chosen.lock_protocol,
            lock_table=chosen.lock_table,
            time_s=time_ns // NS,
            journals=chosen.journals,
            journal_mib=chosen.journal_mib,
            block_size=chosen.block_size,
        ),
        expert=True,  # the recipe has been checked against limits of its own
        fs_format=chosen.fs_format,
        multihost_format=chosen.multihost_format,
    )
    with stages(step) as show:
        show("writing")
        try:
            make_filesystem(target, options, tree)
        except NoSpaceError as error:
            raise _too_small(loaded, error.least_bytes) from error
        show("checking")
        damages: list[Damaged] = []
        with open_image(target) as source:
            verify(read_filesystem(source), damages.append)
        if damages:
            raise SsiumlError(f"{name_of(target)}: is not a clean GFS1 file system: {damages[0]}")
        show("done")


def check_pool(root_fs: Path, tree: Tree, work: Path) -> None:
    """Check a GFS1 root in its pool: our reader compares it with *tree*; fsck.gfs2 checks a converted copy.

    The copy lies below *work*. Times are compared in whole seconds: GFS1 stores no more. Raise SsiumlError if
    the image differs from *tree*, or if the copy that gfs2_convert made is damaged.
    """
    with stages("check") as show, scratch_folder(work, "check") as scratch:
        show("reading the root")
        damages: list[Damaged] = []
        with open_image(root_fs) as source:
            _, seen = verify(read_filesystem(source), damages.append)
            wrong = [str(damage) for damage in damages]
            wrong += differences(take_census(tree).in_whole_seconds(), take_census(seen))
        if wrong:
            more = f", and {len(wrong) - 1} more" if wrong[1:] else ""
            raise SsiumlError(f"{root_fs}: {wrong[0]}{more}")
        show("converting a copy to GFS2")
        copy = scratch / "root_fs"
        files.copy_from(root_fs, RESERVED_BYTES, copy)
        _set_formats(copy)
        gfs2_tools.convert_gfs1(copy)
        show("the root holds the tree, and gfs2_convert and fsck.gfs2 find it sound")


def _set_formats(copy: Path) -> None:
    """Give *copy* the format numbers that gfs2_convert knows. The recipe may choose others for the image."""
    with copy.open("r+b") as stream:
        stream.seek(SUPERBLOCK_BYTES)
        superblock = Superblock.unpack(stream.read(Superblock.size_bytes()))
        known = replace(superblock, sb_fs_format=FORMAT, sb_multihost_format=MULTIHOST_FORMAT)
        stream.seek(SUPERBLOCK_BYTES)
        stream.write(known.pack())


def _settings(loaded: LoadedRecipe, time_ns: int) -> Settings:
    chosen = loaded.recipe.gfs2
    geometry = Geometry(
        loaded.recipe.sizes.root_fs_bytes, chosen.block_size, chosen.journals, chosen.journal_size_bytes
    )
    return Settings(
        geometry=geometry,
        lock_protocol=chosen.lock_protocol,
        lock_table=chosen.lock_table,
        choices=Choices(time_ns=time_ns),
    )


def write_by_filling(
    loaded: LoadedRecipe, formatted: Path, tree: Tree, target: Path, fill: Fill
) -> ImageContents:
    """Copy the image *formatted* to *target*, *fill* it with *tree*, and check it with fsck.gfs2.

    Return what *fill* returns. Raise RecipeError, with the needed size, if the tree does not fit, SsiumlError
    if the disk is too full or the image is not clean, and what *fill* raises. *target* then stays unchanged.
    """
    settings, size = loaded.recipe.gfs2, loaded.recipe.sizes.root_fs_bytes
    needed = gfs2_tools.needed_bytes(tree, settings)
    if needed > size:
        raise _too_small(loaded, needed)
    # For the image, the tree as an archive, and the archive that the appliance writes.
    files.require_space(target.parent, 3 * needed, "the root image")
    with replacing(target) as part:
        files.copy_to_part(formatted, part)
        contents = fill(part, tree)
        gfs2_tools.check_image(part)
    return contents


def _too_small(loaded: LoadedRecipe, needed_bytes: int) -> RecipeError:
    settings, size = loaded.recipe.filesystem, loaded.recipe.sizes.root_fs_bytes
    journals = f"{settings.journals} journals of {format_size(settings.journal_size_bytes)}"
    return loaded.error(
        ("sizes", "root_fs"),
        f"{format_size(size)} is too small for {journals} and the files, "
        f"about {format_size(needed_bytes)} are needed",
        f"set sizes.root_fs: {(needed_bytes + MIB - 1) // MIB} MiB or more",
    )
