"""The reader finds the trees that the writers and gfs2_convert put into images, and verifies the images."""

from pathlib import Path

import pytest
from gfs_images import findings, fit_for_gfs1, odd_gfs1_tree, write_gfs1_image
from gfs_judges import convert_to_gfs2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_trees import odd_tree, trees
from programs import tool

from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, read_filesystem
from ssiuml.formats.gfs_reader.verify import Verified, verify
from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.tree import Tree

MIB, GIB = 1 << 20, 1 << 30
SIZES = [512, 1024, 2048, 4096]


def assert_holds(image: Path, tree: Tree) -> Verified:
    """Assert that verify reports nothing in *image* and returns *tree*."""
    found: list[Damaged] = []
    with open_image(image) as device:
        verified, seen = verify(read_filesystem(device), found.append)
        assert [str(damage) for damage in found] == []
        assert differences(take_census(tree), take_census(seen)) == []
    return verified


def gfs2(
    image: Path, tree: Tree, block_size: int = 4096, size_bytes: int = 256 * MIB, *, full: bool = False
) -> None:
    choices = Choices(full_journals=full)
    write_image(image, tree, Settings(geometry=Geometry(size_bytes, block_size, 2, 8 * MIB), choices=choices))


@pytest.mark.parametrize("block_size", [*SIZES, 8192, 16384])
def test_one_of_everything_is_read_from_gfs1(tmp_path: Path, block_size: int) -> None:
    tree = odd_gfs1_tree(block_size)
    written = write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    verified = assert_holds(tmp_path / "image", tree)
    assert (verified.inodes, verified.free_blocks) == (written.inodes, written.free_blocks)


@pytest.mark.parametrize("block_size", SIZES)
def test_one_of_everything_is_read_from_gfs2(tmp_path: Path, block_size: int) -> None:
    tree = odd_tree(block_size)
    gfs2(tmp_path / "image", tree, block_size)
    assert assert_holds(tmp_path / "image", tree).journals == 2


@pytest.mark.parametrize("block_size", SIZES)
def test_one_of_everything_is_read_after_gfs2_convert(tmp_path: Path, block_size: int) -> None:
    tree = odd_gfs1_tree(block_size)
    write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    assert_holds(convert_to_gfs2(tmp_path / "image"), tree)


def test_an_empty_file_system_of_mkfs_gfs2_is_clean(tmp_path: Path) -> None:
    image = tmp_path / "image"
    files.create(image, 128 * MIB)
    tool("mkfs.gfs2", "-q", "-O", "-p", "lock_nolock", "-t", "a:b", "-j", "2", "-J", "8", image)
    with open_image(image) as device:
        found: list[Damaged] = []
        verified, tree = verify(read_filesystem(device), found.append)
    assert [str(damage) for damage in found] == []
    assert (verified.journals, tree.root.children) == (2, {})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), block_size=st.sampled_from(SIZES), old=st.booleans())
def test_any_tree_is_read(tmp_path: Path, tree: Tree, block_size: int, old: bool) -> None:
    if old:
        tree = fit_for_gfs1(tree)
        write_gfs1_image(tmp_path / "image", tree, size_mib=48, block_size=block_size)
    else:
        gfs2(tmp_path / "image", tree, block_size, 48 * MIB)
    assert_holds(tmp_path / "image", tree)


def test_full_journals_are_clean(tmp_path: Path) -> None:
    gfs2(tmp_path / "image", Tree(), full=True)
    assert_holds(tmp_path / "image", Tree())


def test_reading_changes_nothing_in_an_image(tmp_path: Path) -> None:
    image = tmp_path / "image"
    write_gfs1_image(image, odd_gfs1_tree(4096))
    image.chmod(0o444)
    before = image.read_bytes()
    assert findings(before) == []
    assert_holds(image, odd_gfs1_tree(4096))
    assert image.read_bytes() == before
