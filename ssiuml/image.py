"""The root image: a file system with the tree in it, checked (HOWTO 5.2).

Two ways lead there: the direct one writes the file system, the other has a kernel fill a formatted image.
"""

from collections.abc import Callable
from pathlib import Path

from ssiuml import gfs2_tools, sparse
from ssiuml.appliance import Filled
from ssiuml.atomic import replacing
from ssiuml.compare import take_census
from ssiuml.errors import RecipeError
from ssiuml.gfs.space import NoSpaceError
from ssiuml.gfs2.geometry import QUOTA_CHANGE_BYTES, Geometry
from ssiuml.gfs2.system import Choices
from ssiuml.gfs2.writer import Settings, write_image
from ssiuml.progress import stages
from ssiuml.recipe import LoadedRecipe
from ssiuml.tree import Tree
from ssiuml.units import MIB, format_size

# Puts a tree into a formatted image and says what is in it then: the appliance.
Filler = Callable[[Path, Tree], Filled]


def write_directly(loaded: LoadedRecipe, tree: Tree, target: Path, time_ns: int) -> Filled:
    """Write the image *target* with *tree* in it, clean for fsck.gfs2.

    *time_ns* is that of the file system's own files. The figures returned are those of the tree; nothing is
    read back. Raises RecipeError, with the size needed, if the tree does not fit, SpaceError if the disk is
    too full, and what write_image raises; *target* then stays as it was.
    """
    settings = _settings(loaded, time_ns)
    expected = take_census(tree)
    # Every inode has a block, and a partial one at its end; nodes keep their quota changes in files.
    blocks = 2 * expected.inodes * settings.geometry.block_size
    room = (
        expected.content_bytes
        + expected.xattr_bytes
        + blocks
        + QUOTA_CHANGE_BYTES * settings.geometry.journals
    )
    sparse.require_space(target.parent, room, "the root image")
    with stages("copy-root") as show, replacing(target) as part:
        show("writing")
        try:
            write_image(part, tree, settings)
        except NoSpaceError as error:
            raise _too_small(loaded, error.least_bytes) from error
        show("checking")
        gfs2_tools.check_image(part)
        show("done")
    return Filled(len(expected.facts), expected.inodes, expected.content_bytes, expected.digest())


def _settings(loaded: LoadedRecipe, time_ns: int) -> Settings:
    chosen = loaded.recipe.filesystem
    geometry = Geometry(
        loaded.recipe.sizes.root_fs_bytes, chosen.block_size, chosen.journals, chosen.journal_size_bytes
    )
    return Settings(
        geometry=geometry,
        lock_protocol=chosen.lock_protocol,
        lock_table=chosen.lock_table,
        choices=Choices(time_ns=time_ns),
    )


def write_by_filling(loaded: LoadedRecipe, formatted: Path, tree: Tree, target: Path, fill: Filler) -> Filled:
    """Write the image *target*: a copy of *formatted* with *tree* in it, clean for fsck.gfs2.

    Raises RecipeError, with the size needed, if the tree does not fit, SpaceError if the disk is too full,
    and what *fill* raises; *target* then stays as it was.
    """
    settings, size = loaded.recipe.filesystem, loaded.recipe.sizes.root_fs_bytes
    needed = gfs2_tools.needed_bytes(tree, settings)
    if needed > size:
        raise _too_small(loaded, needed)
    # The image, the tree as an archive and the archive that comes back.
    sparse.require_space(target.parent, 3 * needed, "the root image")
    with replacing(target) as part:
        sparse.copy(formatted, part)
        filled = fill(part, tree)
        gfs2_tools.check_image(part)
    return filled


def _too_small(loaded: LoadedRecipe, needed_bytes: int) -> RecipeError:
    settings, size = loaded.recipe.filesystem, loaded.recipe.sizes.root_fs_bytes
    journals = f"{settings.journals} journals of {format_size(settings.journal_size_bytes)}"
    return loaded.error(
        ("sizes", "root_fs"),
        f"{format_size(size)} is too small for {journals} and the files, "
        f"about {format_size(needed_bytes)} are needed",
        f"set sizes.root_fs: {(needed_bytes + MIB - 1) // MIB} MiB or more",
    )
