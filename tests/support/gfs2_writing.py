"""Writes GFS2 images for tests; fsck.gfs2 and the independent reader of gfs2_image_reader check them."""

from pathlib import Path

from gfs2_image_reader import ImageReader
from gfs_judges import assert_clean

from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.tree import Node, Tree
from ssiuml.units import MIB


def settings_for(size_bytes: int = 256 * MIB, block_size: int = 4096, **more: object) -> Settings:
    """Return settings for an image with one journal of 8 MiB."""
    return Settings(geometry=Geometry(size_bytes, block_size, 1, 8 * MIB), **more)  # type: ignore[arg-type]


def assert_written(folder: Path, tree: Tree, settings: Settings | None = None) -> ImageReader:
    """Write *tree* to *folder*/image, and assert that the image is clean and holds the tree."""
    image = folder / "image"
    write_image(image, tree, settings or settings_for())
    assert_clean(image)
    reader = ImageReader(image)
    assert differences(take_census(tree), take_census(reader.tree())) == []
    return reader


def tree_of(node: Node) -> Tree:
    """Return a tree with *node* at the path "file"."""
    tree = Tree()
    tree.add("file", node)
    return tree
