"""The root image: an empty sparse file, formatted, filled from the tree, checked (HOWTO 5.2)."""

from collections.abc import Callable
from pathlib import Path

from ssiuml import gfs2_tools, sparse
from ssiuml.appliance import Filled
from ssiuml.atomic import replacing
from ssiuml.recipe import LoadedRecipe
from ssiuml.tree import Tree
from ssiuml.units import format_size

# Puts a tree into a formatted image and says what is in it then. The appliance is one; a program that
# writes the file system directly can take its place.
Filler = Callable[[Path, Tree], Filled]


def write_root_fs(loaded: LoadedRecipe, formatted: Path, tree: Tree, target: Path, fill: Filler) -> Filled:
    """Write the image *target*: a copy of *formatted* with *tree* in it, clean for fsck.gfs2.

    Raises RecipeError, with the size needed, if the tree does not fit, SpaceError if the disk is too full,
    and what *fill* raises; *target* then stays as it was.
    """
    settings, size = loaded.recipe.filesystem, loaded.recipe.sizes.root_fs_bytes
    needed = gfs2_tools.needed_bytes(tree, settings)
    if needed > size:
        journals = f"{settings.journals} journals of {format_size(settings.journal_size_bytes)}"
        raise loaded.error(
            ("sizes", "root_fs"),
            f"{format_size(size)} is too small for {journals} and the files, "
            f"about {format_size(needed)} are needed",
            f"set sizes.root_fs: {(needed >> 20) + 1} MiB or more",
        )
    # The image, the tree as an archive and the archive that comes back.
    sparse.require_space(target.parent, 3 * needed, "the root image")
    with replacing(target) as part:
        sparse.copy(formatted, part)
        filled = fill(part, tree)
        gfs2_tools.check_image(part)
    return filled
