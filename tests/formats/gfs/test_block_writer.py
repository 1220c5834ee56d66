"""Files that lie in several pieces of an ext2 image become GFS files with the same bytes and holes."""

from pathlib import Path

import pytest
from ext2_images import HoledFile, make_image, pieces_of, some_tree
from gfs2_image_reader import ImageReader
from gfs_images import fit_for_gfs1, write_gfs1_image
from gfs_judges import assert_clean, assert_holds

from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, file
from ssiuml.units import MIB

KIB = 1 << 10
# Small and large files, with pieces that neither begin nor end with a block of GFS.
HOLED = (
    HoledFile("stuffed", 3500, (1024,)),
    HoledFile("small", 40_000, (1024, 5 * KIB, 11 * KIB, 38 * KIB)),
    HoledFile("large", 900 * KIB, tuple(range(3 * KIB, 700 * KIB, 2 * KIB))),
    HoledFile("one-hole", 5 * MIB, ()),
    HoledFile("huge", 2048 * MIB, (MIB, 2000 * MIB + 3 * KIB)),
)


def ext2_tree(folder: Path) -> Tree:
    """Return a tree whose files lie in an ext2 image with blocks of 1 KiB."""
    tree = some_tree(1024)
    large = b"".join(b"%07d\n" % number for number in range(100_000))
    tree.add("contiguous", file(Literal(large), Meta(mode=0o644)))
    options = ("-t", "ext2", "-b", "1024", "-r", "0", "-N", "4096")
    seen = read_ext2(make_image(folder / "ext2", tree, *options, size_mib=24, holed=HOLED))
    assert pieces_of(seen.lookup("contiguous")) > 2
    assert pieces_of(seen.lookup("large")) > 300
    return seen


@pytest.mark.parametrize("block_size", [1024, 4096])
def test_gfs2_holds_what_the_ext2_image_held(block_size: int, tmp_path: Path) -> None:
    tree = ext2_tree(tmp_path)
    if block_size == 1024:
        tree.remove("links/1023")  # a dinode's block of that size has no room for it
    image = tmp_path / "gfs2"
    write_image(image, tree, Settings(geometry=Geometry(128 * MIB, block_size, 1, 8 * MIB)))
    assert_clean(image)
    assert differences(take_census(tree), take_census(ImageReader(image).tree())) == []
    assert files.allocated_bytes(image) < 40 * MIB


def test_gfs1_holds_what_the_ext2_image_held(tmp_path: Path) -> None:
    tree = fit_for_gfs1(ext2_tree(tmp_path))
    write_gfs1_image(tmp_path / "gfs1", tree, size_mib=128)
    assert_holds(tmp_path / "gfs1", tree)


@pytest.mark.parametrize("size", [100, 10_000, 500_000])
def test_a_host_file_that_became_shorter_is_an_error(size: int, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(size))
    tree = Tree()
    content = Extents(tmp_path / "source", size + 50, ((0, 0, 10), (20, 0, size + 1)))
    tree.add("file", file(content, Meta(mode=0o644)))
    with pytest.raises(TreeError, match=f"source: does not hold the {size + 50} bytes"):
        write_image(tmp_path / "gfs2", tree, Settings(geometry=Geometry(64 * MIB, 4096, 1, 8 * MIB)))
