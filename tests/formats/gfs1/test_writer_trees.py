"""Trees in GFS1: after gfs2_convert they are clean and complete; impossible trees are refused."""

from pathlib import Path

import pytest
from gfs_images import fit_for_gfs1, large_directory, odd_gfs1_tree, write_gfs1_image
from gfs_judges import (
    assert_clean_after_conversion,
    assert_device_numbers,
    assert_holds,
    blkid,
    convert_to_gfs2,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_trees import colliding, pattern, trees
from programs import tool

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.contents import SparseBytes
from ssiuml.formats.gfs.resource_groups import NoSpaceError
from ssiuml.formats.gfs.structures import UnstorableError
from ssiuml.formats.gfs1.structures import Dinode, Rgrp, Superblock
from ssiuml.host import files
from ssiuml.tree.tree import Extent, Kind, Literal, Meta, Node, Tree, TreeError, directory, file, symlink

SIZES = [512, 1024, 2048, 4096]
META = Meta(mode=0o644)


@pytest.mark.parametrize("block_size", SIZES)
def test_gfs2_convert_keeps_one_of_everything(tmp_path: Path, block_size: int) -> None:
    tree = odd_gfs1_tree(block_size)
    tree.add("special/socket", Node(Kind.SOCKET, Meta(mode=0o755)))
    write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    assert blkid(tmp_path / "image")["TYPE"] == "gfs"
    assert_holds(tmp_path / "image", tree)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), block_size=st.sampled_from(SIZES))
def test_gfs2_convert_keeps_any_tree(tmp_path: Path, tree: Tree, block_size: int) -> None:
    tree = fit_for_gfs1(tree)
    write_gfs1_image(tmp_path / "image", tree, size_mib=48, block_size=block_size)
    assert_holds(tmp_path / "image", tree)


@pytest.mark.parametrize(("block_size", "names"), [(512, 70_000), (4096, 70_000), (4096, 100_000)])
def test_gfs2_convert_keeps_a_directory_of_very_many_names(
    tmp_path: Path, block_size: int, names: int
) -> None:
    tree = large_directory(names)
    write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    assert_holds(tmp_path / "image", tree)


@pytest.mark.parametrize("block_size", SIZES)
def test_gfs2_convert_keeps_directories_around_the_size_of_a_dinode(tmp_path: Path, block_size: int) -> None:
    tree = Tree()
    shared = file(Literal(b"shared"), META)
    # '.' and '..' take 48 bytes each, and so does every name of 8 bytes.
    fitting = (block_size - 232 - 2 * 48) // 48
    for count in (0, fitting - 1, fitting, fitting + 1):
        tree.add(f"d{count}", directory(Meta(mode=0o755)))
        tree.lookup(f"d{count}").children.update({f"{number:08}": shared for number in range(count)})
    write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    assert_holds(tmp_path / "image", tree)


# The least number of journals whose jindex, of 80 bytes each, is too large to be stuffed.
@pytest.mark.parametrize(("block_size", "journals"), [(512, 4), (1024, 10), (2048, 23), (4096, 49)])
def test_an_empty_file_system_is_clean_after_conversion_with_a_stuffed_jindex_and_without(
    tmp_path: Path, block_size: int, journals: int
) -> None:
    for count in (1, journals):
        write_gfs1_image(tmp_path / "image", Tree(), journals=count, journal_mib=2, block_size=block_size)
        assert_clean_after_conversion(tmp_path / "image")


def test_counters_of_resource_groups_are_those_that_the_writer_returns(tmp_path: Path) -> None:
    written = write_gfs1_image(tmp_path / "image", odd_gfs1_tree(4096))
    data = (tmp_path / "image").read_bytes()
    free = dinodes = 0
    for start in range(0, len(data), 4096):
        if data[start : start + 8] == bytes.fromhex("0116197000000002"):
            rgrp = Rgrp.unpack(data, start)
            free += rgrp.rg_free
            dinodes += rgrp.rg_useddi
    assert free == written.free_blocks
    assert dinodes == written.inodes + 4  # jindex, rindex, quota and license; the root is the tree's


def test_gfs2_edit_finds_device_numbers(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("disk", Node(Kind.BLOCK, META, device=(98, 0xFFFFF)))
    write_gfs1_image(tmp_path / "image", tree)
    with (tmp_path / "image").open("rb") as stream:
        stream.seek(65536)
        root = Superblock.unpack(stream.read(4096)).sb_root_di.no_addr
        stream.seek((root + 1) * 4096)
        disk = Dinode.unpack(stream.read(4096))
    assert (disk.di_num.no_addr, disk.di_major, disk.di_minor) == (root + 1, 98, 0xFFFFF)
    for image in (tmp_path / "image", convert_to_gfs2(tmp_path / "image")):
        assert_device_numbers(image, root + 1, 98, 0xFFFFF)


def test_an_image_takes_little_more_room_than_its_contents(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("large", file(Literal(pattern(64 << 20)), META))
    write_gfs1_image(tmp_path / "image", tree)
    # The journal has 128 segments, each with a log header.
    assert files.allocated_bytes(tmp_path / "image") < (64 << 20) * 1.01 + 128 * 4096


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_gfs1_image(tmp_path / name, odd_gfs1_tree(1024), block_size=1024)
    assert tool("cmp", tmp_path / "a", tmp_path / "b") == ""


def test_the_holes_of_a_sparse_file_take_no_blocks(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("sparse", file(SparseBytes(8 << 30, [(0, b"begin"), ((8 << 30) - 3, b"end")]), META))
    before = write_gfs1_image(tmp_path / "image", Tree())
    after = write_gfs1_image(tmp_path / "image", tree)
    # Height 3: a dinode, two indirect blocks on the way to each of two data blocks, and these.
    assert before.free_blocks - after.free_blocks == 1 + 4 + 2
    assert_clean_after_conversion(tmp_path / "image")


def test_a_file_larger_than_a_resource_group_continues_in_the_next(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("large", file(Literal(pattern(150 << 20)), META))
    write_gfs1_image(tmp_path / "image", tree)  # two groups of 124 MiB
    assert_holds(tmp_path / "image", tree)


# Trees that GFS1 cannot hold


@pytest.mark.parametrize("block_size", SIZES)
def test_the_longest_target_of_a_symbolic_link_works_and_one_byte_more_is_refused(
    tmp_path: Path, block_size: int
) -> None:
    tree = Tree()
    tree.add("good", symlink("t" * (block_size - 233)))
    write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    tree.add("sub/bad", symlink("t" * (block_size - 232)))
    with pytest.raises(
        UnstorableError, match=f"/sub/bad: .* {block_size - 232} bytes, 1 to {block_size - 233}"
    ):
        write_gfs1_image(tmp_path / "image", tree, block_size=block_size)


def test_as_many_names_with_one_hash_as_fit_into_a_leaf_work_and_one_more_is_refused(tmp_path: Path) -> None:
    names = colliding(40)
    fitting = (4096 - 104) // (
        40 + len(names[0])
    )  # leaves are never chained: gfs_fsck would not follow the chain
    for count in (fitting, fitting + 1):
        tree = Tree()
        tree.add("d", directory(Meta(mode=0o755)))
        tree.lookup("d").children.update(dict.fromkeys(names[:count], file(Literal(b""), META)))
        if count == fitting:
            write_gfs1_image(tmp_path / "image", tree)
            assert_holds(tmp_path / "image", tree)
    with pytest.raises(UnstorableError, match=f"^/d: {fitting + 1} of {fitting + 3} names share"):
        write_gfs1_image(tmp_path / "image", tree)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (symlink(""), "target has 0 bytes"),
        (file(Literal(b""), Meta(mode=0o644, uid=2**32)), "owner 4294967296:0"),
        (file(Literal(b""), Meta(mode=0o644, mtime_ns=2**94)), "does not fit into 64 bits"),
        (file(Literal(b""), Meta(mode=0o644, xattrs={"trusted.x": b""})), "'trusted.x': this file system"),
        (
            file(Literal(b""), Meta(mode=0o644, xattrs={"user.x": bytes(65537)})),
            "has 65537 bytes, at most 65536",
        ),
    ],
)
def test_a_file_that_gfs1_cannot_hold_is_refused_with_its_path_before_anything_is_written(
    tmp_path: Path, node: Node, message: str
) -> None:
    tree = Tree()
    tree.add("some/where", node)
    with pytest.raises(SsiumlError, match=f"^/some/where: .*({message})"):
        write_gfs1_image(tmp_path / "image", tree)
    assert files.allocated_bytes(tmp_path / "image") == 0


def test_a_tree_that_does_not_fit_is_refused_with_needed_and_free_room(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("large", file(Literal(bytes(100 << 20)), META))
    with pytest.raises(
        NoSpaceError, match=r"need 100\.2 MiB, .* of 64 MiB has room for 55\.\d MiB beside 8 MiB"
    ):
        write_gfs1_image(tmp_path / "image", tree, size_mib=64)
    assert files.allocated_bytes(tmp_path / "image") == 0


@pytest.mark.parametrize("block_size", SIZES)
def test_the_size_that_an_error_names_is_the_smallest_that_fits(tmp_path: Path, block_size: int) -> None:
    tree = Tree()
    tree.add("large", file(Literal(pattern(50 << 20)), META))
    with pytest.raises(NoSpaceError) as caught:
        write_gfs1_image(tmp_path / "image", tree, size_mib=48, block_size=block_size)
    least_mib = caught.value.least_bytes >> 20
    assert f"make it {least_mib} MiB or larger" in str(caught.value)
    with pytest.raises(NoSpaceError):
        write_gfs1_image(tmp_path / "image", tree, size_mib=least_mib - 1, block_size=block_size)
    write_gfs1_image(tmp_path / "image", tree, size_mib=least_mib, block_size=block_size)
    assert_clean_after_conversion(tmp_path / "image")


def test_a_host_file_that_became_shorter_is_an_error_and_no_superblock_is_written(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 50_000)
    tree = Tree()
    tree.add("file", file(Extent(source, 0, 100_000), META))
    with pytest.raises(TreeError, match="source: does not hold the 100000 bytes"):
        write_gfs1_image(tmp_path / "image", tree)
    with (tmp_path / "image").open("rb") as stream:
        stream.seek(65536)
        assert stream.read(4096) == bytes(4096)
