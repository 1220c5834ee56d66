"""The reader of images: what the writers put in comes out, and what a kernel and foreign tools made, too."""

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from gfs1_tools import converted, fitted, made, odd_gfs1_tree
from gfs_tools import tool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_trees import odd_tree, trees
from reading_tools import Bytes, findings

from ssiuml.formats.gfs.contents import SparseBytes
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.formats.gfs_reader.damage import Damaged
from ssiuml.formats.gfs_reader.device import opened
from ssiuml.formats.gfs_reader.extract import ExtractError, extract
from ssiuml.formats.gfs_reader.filesystem import NoFilesystemError, read_filesystem
from ssiuml.formats.gfs_reader.survey import read_tree
from ssiuml.formats.gfs_reader.verify import Verified, verify
from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.folders import scan_folder
from ssiuml.tree.tree import Meta, Tree, file

MIB, GIB = 1 << 20, 1 << 30
SIZES = [512, 1024, 2048, 4096]


def assert_holds(image: Path, tree: Tree) -> Verified:
    """Verify finds nothing wrong with *image* and sees *tree*."""
    found: list[Damaged] = []
    with opened(image) as source:
        verified, seen = verify(read_filesystem(source), found.append)
        assert [str(damage) for damage in found] == []
        assert differences(take_census(tree), take_census(seen)) == []
    return verified


def gfs2(
    image: Path, tree: Tree, block_size: int = 4096, size_bytes: int = 256 * MIB, *, full: bool = False
) -> None:
    choices = Choices(full_journals=full)
    write_image(image, tree, Settings(geometry=Geometry(size_bytes, block_size, 2, 8 * MIB), choices=choices))


@pytest.mark.parametrize("block_size", [*SIZES, 8192, 16384])
def test_one_of_everything_on_gfs1_comes_back(tmp_path: Path, block_size: int) -> None:
    tree = odd_gfs1_tree(block_size)
    written = made(tmp_path / "image", tree, block_size=block_size)
    verified = assert_holds(tmp_path / "image", tree)
    assert (verified.inodes, verified.free_blocks) == (written.inodes, written.free_blocks)


@pytest.mark.parametrize("block_size", SIZES)
def test_one_of_everything_on_gfs2_comes_back(tmp_path: Path, block_size: int) -> None:
    tree = odd_tree(block_size)
    gfs2(tmp_path / "image", tree, block_size)
    assert assert_holds(tmp_path / "image", tree).journals == 2


@pytest.mark.parametrize("block_size", SIZES)
def test_what_gfs2_convert_made_is_read_as_gfs2(tmp_path: Path, block_size: int) -> None:
    tree = odd_gfs1_tree(block_size)
    made(tmp_path / "image", tree, block_size=block_size)
    assert_holds(converted(tmp_path / "image"), tree)


def test_an_empty_file_system_of_mkfs_gfs2_is_clean(tmp_path: Path) -> None:
    image = tmp_path / "image"
    files.create(image, 128 * MIB)
    tool("mkfs.gfs2", "-q", "-O", "-p", "lock_nolock", "-t", "a:b", "-j", "2", "-J", "8", image)
    with opened(image) as source:
        found: list[Damaged] = []
        verified, tree = verify(read_filesystem(source), found.append)
    assert [str(damage) for damage in found] == []
    assert (verified.journals, tree.root.children) == (2, {})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), block_size=st.sampled_from(SIZES), old=st.booleans())
def test_any_tree_comes_back(tmp_path: Path, tree: Tree, block_size: int, old: bool) -> None:
    if old:
        tree = fitted(tree)
        made(tmp_path / "image", tree, size_mib=48, block_size=block_size)
    else:
        gfs2(tmp_path / "image", tree, block_size, 48 * MIB)
    assert_holds(tmp_path / "image", tree)


def test_full_journals_are_clean_too(tmp_path: Path) -> None:
    gfs2(tmp_path / "image", Tree(), full=True)
    assert_holds(tmp_path / "image", Tree())


def test_a_sparse_file_is_extracted_with_its_holes(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("sparse", file(SparseBytes(8 * GIB, [(0, b"begin"), (8 * GIB - 3, b"end")]), Meta(mode=0o644)))
    made(tmp_path / "image", tree)
    with opened(tmp_path / "image") as source:
        found: list[Damaged] = []
        extract(read_tree(read_filesystem(source), found.append), tmp_path / "out", found.append)
    assert found == []
    out = tmp_path / "out" / "sparse"
    assert out.stat().st_size == 8 * GIB
    assert files.allocated_bytes(out) < MIB
    with out.open("rb") as stream:
        assert stream.read(6) == b"begin\0"
        stream.seek(-4, os.SEEK_END)
        assert stream.read() == b"\0end"


def test_what_is_extracted_is_what_was_put_in_as_far_as_the_host_has_a_place_for_it(tmp_path: Path) -> None:
    tree = fitted(odd_tree())
    for name in ("attributes", "times", "special"):  # not every host takes them all
        tree.remove(name)
    gfs2(tmp_path / "image", tree)
    with opened(tmp_path / "image") as source:
        found: list[Damaged] = []
        left_out = extract(read_tree(read_filesystem(source), found.append), tmp_path / "out", found.append)
    assert (found, left_out) == ([], [])
    seen = scan_folder(tmp_path / "out")
    if os.geteuid() == 0:
        assert differences(take_census(tree), take_census(seen)) == []
    assert seen.lookup("linked/0") is seen.lookup("links/elsewhere")


def test_a_folder_with_something_in_it_is_not_extracted_to(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with pytest.raises(ExtractError, match="is there and not an empty folder"):
        extract(Tree(), tmp_path, lambda damage: None)


def test_a_block_size_of_an_absurd_power_is_refused_at_once(tmp_path: Path) -> None:
    made(tmp_path / "image", Tree(), size_mib=32)
    data = bytearray((tmp_path / "image").read_bytes())
    struct.pack_into(">I", data, 65536 + gfs1.Superblock.offset_of("sb_bsize_shift"), 2**32 - 1)
    tracemalloc.start()
    try:
        with pytest.raises(NoFilesystemError, match="blocks of 4096 bytes, 2 to the power of 4294967295"):
            read_filesystem(Bytes(data))
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_nothing_is_written_to_an_image_that_is_read(tmp_path: Path) -> None:
    image = tmp_path / "image"
    made(image, odd_gfs1_tree(4096))
    image.chmod(0o444)
    before = image.read_bytes()
    assert findings(before) == []
    assert_holds(image, odd_gfs1_tree(4096))
    assert image.read_bytes() == before
