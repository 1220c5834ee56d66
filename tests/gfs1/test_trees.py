"""Trees in GFS1: gfs2_convert turns them into GFS2 that fsck.gfs2 finds clean; what cannot be is refused."""

import tempfile
from pathlib import Path

import pytest
from biting import NS, add_large_directory, biting_tree, colliding_names, meta, patterned, record_bytes
from gfs1_tools import assert_clean_after_conversion, blkid, made
from gfs_tools import tool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_trees import trees

from ssiuml import sparse
from ssiuml.errors import SsiumlError
from ssiuml.gfs.contents import Pieces
from ssiuml.gfs.inodes import UnstorableError
from ssiuml.gfs.space import NoSpaceError
from ssiuml.gfs1.structures import Dinode, Rgrp, Superblock
from ssiuml.tree import Extent, Kind, Literal, Meta, Node, Tree, TreeError, directory, file, symlink

SIZES = [512, 1024, 2048, 4096]


@pytest.mark.parametrize("block_size", SIZES)
def test_a_tree_that_bites_converts_cleanly(tmp_path: Path, block_size: int) -> None:
    tree = biting_tree(block_size)
    add_large_directory(tree, 70_000)
    made(tmp_path / "image", tree, size_mib=512, block_size=block_size)
    assert blkid(tmp_path / "image")["TYPE"] == "gfs"
    assert_clean_after_conversion(tmp_path / "image")


# The least number of journals whose index, of 80 bytes each, is too large for its inode.
@pytest.mark.parametrize(("block_size", "journals"), [(512, 4), (1024, 10), (2048, 23), (4096, 49)])
def test_an_empty_file_system_converts_cleanly_also_with_an_index_of_journals_in_blocks_of_its_own(
    tmp_path: Path, block_size: int, journals: int
) -> None:
    for count in (1, journals):
        made(tmp_path / "image", Tree(), journals=count, journal_mib=2, block_size=block_size)
        assert_clean_after_conversion(tmp_path / "image")


def test_a_hundred_thousand_names_in_a_directory_convert_cleanly(tmp_path: Path) -> None:
    tree = Tree()
    add_large_directory(tree, 100_000)
    made(tmp_path / "image", tree)
    assert_clean_after_conversion(tmp_path / "image")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees(), st.sampled_from(SIZES))
def test_any_tree_converts_cleanly(tree: Tree, block_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image"
        made(image, tree, size_mib=48, block_size=block_size)
        assert_clean_after_conversion(image)


def test_the_converted_file_system_counts_the_same_blocks_and_inodes(tmp_path: Path) -> None:
    tree = biting_tree(4096)
    written = made(tmp_path / "image", tree)
    image = tmp_path / "image"
    with image.open("rb") as stream:
        data = stream.read(4096 * 70_000)
    free = dinodes = 0
    for start in range(0, len(data), 4096):
        if data[start : start + 8] == bytes.fromhex("0116197000000002"):
            rgrp = Rgrp.unpack(data, start)
            free += rgrp.rg_free
            dinodes += rgrp.rg_useddi
    assert free == written.free_blocks
    assert dinodes == written.inodes + 4  # jindex, rindex, quota and license; the root is the tree's
    # gfs2_edit reads GFS1 too.
    assert "lock_nolock" in tool("gfs2_edit", "-p", "sb", image)


def test_device_numbers_lie_on_the_disk_where_gfs2_edit_looks_for_them(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("disk", Node(Kind.BLOCK, meta(0o660), device=(98, 0xFFFFF)))
    made(tmp_path / "image", tree)
    with (tmp_path / "image").open("rb") as stream:
        stream.seek(65536)
        root = Superblock.unpack(stream.read(4096)).sb_root_di.no_addr
        stream.seek((root + 1) * 4096)
        disk = Dinode.unpack(stream.read(4096))
    assert (disk.di_num.no_addr, disk.di_major, disk.di_minor) == (root + 1, 98, 0xFFFFF)
    said = tool("gfs2_edit", "-p", str(root + 1), tmp_path / "image").split()
    assert said[said.index("di_major") + 1] == "98"
    assert said[said.index("di_minor") + 1] == str(0xFFFFF)


def test_an_image_is_little_larger_on_disk_than_its_contents(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("large", file(patterned(64 << 20), meta()))
    made(tmp_path / "image", tree)
    # 128 segments of the journal begin with a log header.
    assert sparse.allocated_bytes(tmp_path / "image") < (64 << 20) * 1.01 + 128 * 4096


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made(tmp_path / name, biting_tree(1024), block_size=1024)
    assert tool("cmp", tmp_path / "a", tmp_path / "b") == ""


# What GFS1 has no place for


@pytest.mark.parametrize("block_size", SIZES)
def test_a_symbolic_link_of_the_longest_target_works_and_one_byte_more_is_refused(
    tmp_path: Path, block_size: int
) -> None:
    tree = Tree()
    tree.add("good", symlink("t" * (block_size - 233)))
    made(tmp_path / "image", tree, block_size=block_size)
    tree.add("sub/bad", symlink("t" * (block_size - 232)))
    with pytest.raises(
        UnstorableError, match=f"/sub/bad: .* {block_size - 232} bytes, 1 to {block_size - 233}"
    ):
        made(tmp_path / "image", tree, block_size=block_size)


def test_as_many_names_of_one_hash_as_a_leaf_holds_work_and_one_more_is_refused(tmp_path: Path) -> None:
    fitting = (4096 - 104) // record_bytes(12)
    names = colliding_names(fitting + 1)
    shared = file(Literal(b""), meta())
    good, bad = Tree(), Tree()
    good.add("d", directory(meta(0o755)))
    good.lookup("d").children.update(dict.fromkeys(names[:-1], shared))
    made(tmp_path / "image", good)
    assert_clean_after_conversion(tmp_path / "image")
    bad.add("d", directory(meta(0o755)))
    bad.lookup("d").children.update(dict.fromkeys(names, shared))
    with pytest.raises(UnstorableError, match=f"^/d: {fitting + 1} of {fitting + 3} names share"):
        made(tmp_path / "image", bad)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (symlink(""), "target has 0 bytes"),
        (file(Literal(b""), Meta(mode=0o644, uid=2**32)), "owner 4294967296:0"),
        (file(Literal(b""), Meta(mode=0o644, gid=-1)), "owner 0:-1"),
        (file(Literal(b""), Meta(mode=0o644, mtime_ns=2**63 * NS)), "does not fit into 64 bits"),
        (file(Literal(b""), Meta(mode=0o644, xattrs={"trusted.x": b""})), "'trusted.x': this file system"),
        (
            file(Literal(b""), Meta(mode=0o644, xattrs={"user.x": bytes(65537)})),
            "has 65537 bytes, at most 65536",
        ),
        (Node(Kind.BLOCK, meta(), device=(2**32, 0)), "device 4294967296:0"),
    ],
)
def test_what_has_no_place_is_refused_with_its_path_before_anything_is_written(
    tmp_path: Path, node: Node, message: str
) -> None:
    tree = Tree()
    tree.add("some/where", node)
    with pytest.raises(SsiumlError, match=f"^/some/where: .*({message})"):
        made(tmp_path / "image", tree)
    assert sparse.allocated_bytes(tmp_path / "image") == 0


def test_a_tree_that_does_not_fit_is_refused_with_both_figures(
    tmp_path: Path,
) -> None:
    tree = Tree()
    tree.add("large", file(Literal(bytes(100 << 20)), meta()))
    with pytest.raises(
        NoSpaceError, match=r"need 100\.2 MiB, .* of 64 MiB has room for 55\.\d MiB beside 8 MiB"
    ):
        made(tmp_path / "image", tree, size_mib=64)
    assert sparse.allocated_bytes(tmp_path / "image") == 0


def test_a_file_that_became_shorter_is_an_error_and_leaves_no_superblock(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    tree = Tree()
    tree.add("file", file(Extent(source, 0, 100_000), meta()))
    source.write_bytes(b"x" * 50_000)
    with pytest.raises(TreeError, match="source: does not hold the 100000 bytes"):
        made(tmp_path / "image", tree)
    with (tmp_path / "image").open("rb") as stream:
        stream.seek(65536)
        assert stream.read(4096) == bytes(4096)


def test_the_sparse_files_holes_take_no_blocks(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("sparse", file(Pieces(8 << 30, [(0, b"begin"), ((8 << 30) - 3, b"end")]), meta()))
    tree.add("empty", file(Literal(b""), meta()))
    before = made(tmp_path / "image", Tree())
    after = made(tmp_path / "image", tree)
    # A dinode each; height 3: two indirect blocks on each way, and two blocks of data.
    assert before.free_blocks - after.free_blocks == 2 + 4 + 2
    assert_clean_after_conversion(tmp_path / "image")
