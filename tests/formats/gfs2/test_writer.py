"""Trees in GFS2 are clean for fsck.gfs2, and complete for a reader that shares no code with the writer."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gfs2_image_reader import Blocks, ImageReader
from gfs2_writing import assert_written, settings_for, tree_of
from gfs_judges import assert_clean, assert_device_numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_trees import odd_tree, pattern, trees
from programs import tool

from ssiuml.formats.gfs.contents import SparseBytes
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.host import files
from ssiuml.tree.tree import (
    Extent,
    Kind,
    Meta,
    Node,
    Tree,
    TreeError,
    directory,
    file,
    symlink,
    whole_file,
)
from ssiuml.units import GIB, MIB

META = Meta(mode=0o644)
BLOCK_SIZES = (512, 1024, 2048, 4096)


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_an_image_holds_one_of_everything(tmp_path: Path, block_size: int) -> None:
    tree = odd_tree(block_size)
    tree.add("special/socket", Node(Kind.SOCKET, Meta(mode=0o755)))
    reader = assert_written(tmp_path, tree, settings_for(block_size=block_size))
    (links,) = (
        reader.links[at] for at, node in reader.nodes.items() if node is reader.tree().lookup("linked/0")
    )
    assert links == 1001


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), block_size=st.sampled_from(BLOCK_SIZES))
def test_an_image_holds_any_tree(tmp_path: Path, tree: Tree, block_size: int) -> None:
    assert_written(tmp_path, tree, settings_for(64 * MIB, block_size))


def test_the_bytes_do_not_depend_on_the_order_in_which_a_tree_was_built(tmp_path: Path) -> None:
    first, second = odd_tree(), Tree()
    for path, node in sorted(first.walk(), key=lambda item: item[0][::-1]):
        if node.kind is not Kind.DIRECTORY:
            second.add(path, node)
    for path, node in first.walk():
        second.add(path, directory(node.meta)) if node.kind is Kind.DIRECTORY else None
    write_image(tmp_path / "first", first, settings_for())
    write_image(tmp_path / "second", second, settings_for())
    subprocess.run(["cmp", tmp_path / "first", tmp_path / "second"], check=True)


def test_another_lock_table_gives_another_label_and_uuid(tmp_path: Path) -> None:
    uuids = set()
    for table in ("a:root", "b:root"):
        write_image(tmp_path / "image", Tree(), settings_for(64 * MIB, lock_table=table))
        found = tool("blkid", "-p", "-o", "export", tmp_path / "image").splitlines()
        assert f"LABEL={table.replace(':', chr(92) + ':')}" in found or f"LABEL={table}" in found
        uuids |= {line for line in found if line.startswith("UUID=")}
    assert len(uuids) == 2


def test_the_uuid_of_known_settings_stays_the_same() -> None:
    """The UUID derives from names of classes and fields: a new name must not change images."""
    chosen = settings_for(lock_protocol="lock_dlm", lock_table="ssi:root", choices=Choices(time_ns=1))
    assert chosen.image_uuid().hex() == "d03cf32d980b5270a3d9bd5c9da2cc4d"


# Directories


@pytest.mark.parametrize("names", [0, 1, 60, 80, 5_000, 70_000])
def test_a_directory_of_any_size_has_all_its_names(tmp_path: Path, names: int) -> None:
    tree = Tree()
    node = symlink("x")
    folder = directory(Meta(mode=0o755))
    folder.children = {f"name-{number}": node for number in range(names)}
    tree.add("d", folder)
    assert_written(tmp_path, tree)


@pytest.mark.long
def test_a_directory_of_100000_long_names_has_the_greatest_depth(tmp_path: Path) -> None:
    tree = Tree()
    node = symlink("x")
    folder = directory(Meta(mode=0o755))
    folder.children = {f"{number:0255}": node for number in range(100_000)}
    tree.add("d", folder)
    reader = assert_written(tmp_path, tree, settings_for(GIB, 512))
    assert 17 in reader.depths.values()


# Files


@pytest.mark.parametrize("block_size", [512, 4096])
def test_a_file_of_8_gib_with_data_at_both_ends_takes_a_few_blocks(tmp_path: Path, block_size: int) -> None:
    source = tmp_path / "source"
    with source.open("wb") as stream:
        stream.write(b"begin")
        stream.seek(8 * GIB - 3)
        stream.write(b"end")
    chosen = settings_for(block_size=block_size)
    write_image(tmp_path / "image", tree_of(file(whole_file(source), META)), chosen)
    assert_clean(tmp_path / "image")
    content = ImageReader(tmp_path / "image").tree().lookup("file").content
    assert isinstance(content, Blocks)
    assert content.size_bytes == 8 * GIB
    # The file system of *source* stores whole pages.
    pages = 4096 // block_size
    assert sorted(content.addresses) == [
        *range(pages),
        *range(8 * GIB // block_size - pages, 8 * GIB // block_size),
    ]
    first, last = content.addresses[0], content.addresses[8 * GIB // block_size - 1]
    assert content.image.block(first).rstrip(b"\0") == b"begin"
    assert content.image.block(last)[-4:] == b"\0end"


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_a_sparse_file_of_every_height_has_its_data_at_their_offsets(
    tmp_path: Path, block_size: int, height: int
) -> None:
    reach = block_size * ((block_size - 232) // 8) * ((block_size - 24) // 8) ** (height - 1)
    spots = [block_size * 3 - 5, reach // 3, reach // 2, reach - 11]
    content = SparseBytes(reach, [(spot, b"piece %d" % number) for number, spot in enumerate(spots)])
    write_image(tmp_path / "image", tree_of(file(content, META)), settings_for(block_size=block_size))
    assert_clean(tmp_path / "image")
    seen = ImageReader(tmp_path / "image").tree().lookup("file").content
    assert isinstance(seen, Blocks)
    data = {number: seen.image.block(address) for number, address in seen.addresses.items()}
    assert len(data) == len(
        {at // block_size for at, text in content.pieces for at in (at, at + len(text) - 1)}
    )
    for offset, text in content.pieces:
        number, start = divmod(offset, block_size)
        around = data[number] + data.get(number + 1, b"")
        assert around[start : start + len(text)] == text


def test_a_file_that_is_one_hole_takes_no_block(tmp_path: Path) -> None:
    files.create(tmp_path / "source", 3 * GIB + 1)
    write_image(tmp_path / "image", tree_of(file(whole_file(tmp_path / "source"), META)), settings_for())
    assert_clean(tmp_path / "image")
    content = ImageReader(tmp_path / "image").tree().lookup("file").content
    assert isinstance(content, Blocks)
    assert (content.size_bytes, content.addresses) == (3 * GIB + 1, {})


@pytest.mark.parametrize("size", [1, 3864, 3865, 4096, 100_000, 300_000, 5_000_000])
def test_contents_come_from_the_middle_of_a_host_file(tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"before" + pattern(size) + b"behind")
    assert_written(tmp_path, tree_of(file(Extent(source, 6, size), META)))


def test_a_file_larger_than_a_resource_group_continues_in_the_next(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(pattern(100 * MIB + 1))
    geometry = Geometry(256 * MIB, 4096, 1, 8 * MIB, rgrp_bytes=32 * MIB)
    assert_written(tmp_path, tree_of(file(whole_file(source), META)), Settings(geometry=geometry))


@dataclass(frozen=True)
class Stream:
    """Contents that come as chunks; their length may differ from *size_bytes*."""

    size_bytes: int
    pieces: tuple[bytes, ...]

    def chunks(self) -> Iterator[bytes]:
        yield from self.pieces


def test_chunks_of_odd_sizes_are_joined(tmp_path: Path) -> None:
    pieces = (b"", pattern(1), pattern(4095), pattern(70_001), b"", pattern(2_000_000))
    assert_written(tmp_path, tree_of(file(Stream(sum(map(len, pieces)), pieces), META)))


@pytest.mark.parametrize("size", [10, 5_000, 400_000])
def test_contents_that_became_shorter_or_longer_are_an_error(tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(size))
    tree = tree_of(file(Extent(source, 0, size + 1), META))
    with pytest.raises(TreeError, match=rf"source: does not hold the {size + 1} bytes"):
        write_image(tmp_path / "image", tree, settings_for())
    for actual in (size - 1, size + 5000):
        tree = tree_of(file(Stream(size, (bytes(actual),)), META))
        with pytest.raises(TreeError, match=rf"does not hold the {size} bytes"):
            write_image(tmp_path / "image", tree, settings_for())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


# Devices


def test_gfs2_edit_finds_device_numbers(tmp_path: Path) -> None:
    numbers = {"disk": (98, 0xFFFFF), "first": (4, 64), "largest": (2**32 - 1, 2**32 - 1)}
    tree = Tree()
    for name, device in numbers.items():
        tree.add(name, Node(Kind.BLOCK, META, device=device))
    reader = assert_written(tmp_path, tree)
    root = reader.tree()
    for name, device in numbers.items():
        address = next(at for at, node in reader.nodes.items() if node is root.lookup(name))
        assert_device_numbers(tmp_path / "image", address, *device)


# Size of an image


def test_an_image_takes_little_more_room_than_its_contents(tmp_path: Path) -> None:
    geometry = Geometry(2 * GIB, 4096, 15, 32 * MIB)
    write_image(tmp_path / "image", Tree(), Settings(geometry=geometry))
    # 15 journals of 32 MiB have 30 log headers; the rest are quota_change files of 1 MiB each.
    assert files.allocated_bytes(tmp_path / "image") < 17 * MIB
    choices = Choices(full_journals=True)
    write_image(tmp_path / "full", Tree(), Settings(geometry=geometry, choices=choices))
    assert files.allocated_bytes(tmp_path / "full") > 15 * 32 * MIB
    assert_clean(tmp_path / "full")
