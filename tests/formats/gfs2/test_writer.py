"""Trees written as GFS2: clean for fsck.gfs2, read back by a reader that shares no code with the writer."""

import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gfs2_image_reader import Blocks, ImageReader
from gfs_judges import assert_clean, assert_device_numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_trees import odd_tree, pattern, trees
from programs import tool

from ssiuml.formats.gfs.contents import Pieces
from ssiuml.formats.gfs.inodes import UnstorableError
from ssiuml.formats.gfs.space import NoSpaceError
from ssiuml.formats.gfs2.geometry import Geometry, GeometryError
from ssiuml.formats.gfs2.system import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.tree import (
    Extent,
    Kind,
    Literal,
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


def choice(size_bytes: int = 256 * MIB, block_size: int = 4096, **more: object) -> Settings:
    return Settings(geometry=Geometry(size_bytes, block_size, 1, 8 * MIB), **more)  # type: ignore[arg-type]


def written(folder: Path, tree: Tree, how: Settings | None = None) -> ImageReader:
    """Write *tree*, let fsck.gfs2 judge, read it back and compare."""
    image = folder / "image"
    write_image(image, tree, how or choice())
    assert_clean(image)
    reader = ImageReader(image)
    assert differences(take_census(tree), take_census(reader.tree())) == []
    return reader


def one_file(node: Node) -> Tree:
    tree = Tree()
    tree.add("file", node)
    return tree


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_one_of_everything_comes_back_as_it_went_in(tmp_path: Path, block_size: int) -> None:
    tree = odd_tree(block_size)
    tree.add("special/socket", Node(Kind.SOCKET, Meta(mode=0o755)))
    reader = written(tmp_path, tree, choice(block_size=block_size))
    (links,) = (
        reader.links[at] for at, node in reader.nodes.items() if node is reader.tree().lookup("linked/0")
    )
    assert links == 1001


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees(), block_size=st.sampled_from(BLOCK_SIZES))
def test_any_tree_comes_back_as_it_went_in(tmp_path: Path, tree: Tree, block_size: int) -> None:
    written(tmp_path, tree, choice(64 * MIB, block_size))


def test_the_same_tree_gives_the_same_bytes_whatever_the_order_it_was_made_in(tmp_path: Path) -> None:
    first, second = odd_tree(), Tree()
    for path, node in sorted(first.walk(), key=lambda item: item[0][::-1]):
        if node.kind is not Kind.DIRECTORY:
            second.add(path, node)
    for path, node in first.walk():
        second.add(path, directory(node.meta)) if node.kind is Kind.DIRECTORY else None
    write_image(tmp_path / "first", first, choice())
    write_image(tmp_path / "second", second, choice())
    subprocess.run(["cmp", tmp_path / "first", tmp_path / "second"], check=True)


def test_another_lock_table_is_another_file_system_with_another_uuid(tmp_path: Path) -> None:
    uuids = set()
    for table in ("a:root", "b:root"):
        write_image(tmp_path / "image", Tree(), choice(64 * MIB, lock_table=table))
        found = tool("blkid", "-p", "-o", "export", tmp_path / "image").splitlines()
        assert f"LABEL={table.replace(':', chr(92) + ':')}" in found or f"LABEL={table}" in found
        uuids |= {line for line in found if line.startswith("UUID=")}
    assert len(uuids) == 2


# Directories


def with_attribute(name: str, value: bytes = b"") -> Node:
    return file(Literal(b""), Meta(mode=0o644, xattrs={name: value}))


@pytest.mark.parametrize("names", [0, 1, 60, 80, 5_000, 70_000])
def test_directory_of_any_size_has_all_its_names(tmp_path: Path, names: int) -> None:
    tree = Tree()
    node = symlink("x")
    folder = directory(Meta(mode=0o755))
    folder.children = {f"name-{number}": node for number in range(names)}
    tree.add("d", folder)
    written(tmp_path, tree)


@pytest.mark.long
def test_directory_of_100000_long_names_needs_the_deepest_tables(tmp_path: Path) -> None:
    tree = Tree()
    node = symlink("x")
    folder = directory(Meta(mode=0o755))
    folder.children = {f"{number:0255}": node for number in range(100_000)}
    tree.add("d", folder)
    reader = written(tmp_path, tree, choice(GIB, 512))
    assert 17 in reader.depths.values()


# Files


@pytest.mark.parametrize("block_size", [512, 4096])
def test_8_gib_with_data_at_both_ends_takes_a_few_blocks(tmp_path: Path, block_size: int) -> None:
    source = tmp_path / "source"
    with source.open("wb") as stream:
        stream.write(b"begin")
        stream.seek(8 * GIB - 3)
        stream.write(b"end")
    how = choice(block_size=block_size)
    write_image(tmp_path / "image", one_file(file(whole_file(source), META)), how)
    assert_clean(tmp_path / "image")
    content = ImageReader(tmp_path / "image").tree().lookup("file").content
    assert isinstance(content, Blocks)
    assert content.size_bytes == 8 * GIB
    # The source's own file system keeps its data in pages.
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
def test_sparse_file_of_every_height_has_its_data_where_it_was(
    tmp_path: Path, block_size: int, height: int
) -> None:
    reach = block_size * ((block_size - 232) // 8) * ((block_size - 24) // 8) ** (height - 1)
    spots = [block_size * 3 - 5, reach // 3, reach // 2, reach - 11]
    content = Pieces(reach, [(spot, b"piece %d" % number) for number, spot in enumerate(spots)])
    write_image(tmp_path / "image", one_file(file(content, META)), choice(block_size=block_size))
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


def test_file_that_is_one_hole_takes_no_block(tmp_path: Path) -> None:
    files.create(tmp_path / "source", 3 * GIB + 1)
    write_image(tmp_path / "image", one_file(file(whole_file(tmp_path / "source"), META)), choice())
    assert_clean(tmp_path / "image")
    content = ImageReader(tmp_path / "image").tree().lookup("file").content
    assert isinstance(content, Blocks)
    assert (content.size_bytes, content.addresses) == (3 * GIB + 1, {})


@pytest.mark.parametrize("size", [1, 3864, 3865, 4096, 100_000, 300_000, 5_000_000])
def test_contents_come_from_the_middle_of_a_file_of_the_host(tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"before" + pattern(size) + b"behind")
    written(tmp_path, one_file(file(Extent(source, 6, size), META)))


def test_files_larger_than_a_resource_group_go_on_in_the_next(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(pattern(100 * MIB + 1))
    geometry = Geometry(256 * MIB, 4096, 1, 8 * MIB, rgrp_bytes=32 * MIB)
    written(tmp_path, one_file(file(whole_file(source), META)), Settings(geometry=geometry))


@dataclass(frozen=True)
class Stream:
    """Contents that are neither in a file nor in memory, and as long as they like."""

    size_bytes: int
    pieces: tuple[bytes, ...]

    def chunks(self) -> Iterator[bytes]:
        yield from self.pieces


def test_contents_that_come_in_odd_pieces_are_put_together(tmp_path: Path) -> None:
    pieces = (b"", pattern(1), pattern(4095), pattern(70_001), b"", pattern(2_000_000))
    written(tmp_path, one_file(file(Stream(sum(map(len, pieces)), pieces), META)))


@pytest.mark.parametrize("size", [10, 5_000, 400_000])
def test_contents_that_are_shorter_or_longer_than_they_were_are_an_error(tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(size))
    tree = one_file(file(Extent(source, 0, size + 1), META))
    with pytest.raises(TreeError, match=rf"source: does not hold the {size + 1} bytes"):
        write_image(tmp_path / "image", tree, choice())
    for actual in (size - 1, size + 5000):
        tree = one_file(file(Stream(size, (bytes(actual),)), META))
        with pytest.raises(TreeError, match=rf"does not hold the {size} bytes"):
            write_image(tmp_path / "image", tree, choice())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


# Devices


def test_device_numbers_lie_on_the_disk_where_gfs2_edit_looks_for_them(tmp_path: Path) -> None:
    numbers = {"disk": (98, 0xFFFFF), "first": (4, 64), "largest": (2**32 - 1, 2**32 - 1)}
    tree = Tree()
    for name, device in numbers.items():
        tree.add(name, Node(Kind.BLOCK, META, device=device))
    reader = written(tmp_path, tree)
    root = reader.tree()
    for name, device in numbers.items():
        address = next(at for at, node in reader.nodes.items() if node is root.lookup(name))
        assert_device_numbers(tmp_path / "image", address, *device)


# What is refused


def test_link_to_3863_bytes_works_and_to_3864_is_refused(tmp_path: Path) -> None:
    written(tmp_path, one_file(symlink("t" * 3863)))
    (tmp_path / "image").unlink()
    message = "/file: the symbolic link's target has 3864 bytes, 1 to 3863 are possible"
    with pytest.raises(UnstorableError, match=message):
        write_image(tmp_path / "image", one_file(symlink("t" * 3864)), choice())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (symlink(""), "/file: the symbolic link's target has 0 bytes"),
        (file(Literal(b""), Meta(mode=0o644, uid=1 << 32)), "/file: owner 4294967296:0 is not within"),
        (file(Literal(b""), Meta(mode=0o644, gid=-1)), "/file: owner 0:-1 is not within"),
        (file(Literal(b""), Meta(mode=0o100644)), "/file: mode 0o100644 is not within"),
        (file(Literal(b""), Meta(mode=0, mtime_ns=1 << 94)), "/file: time .* does not fit"),
        (Node(Kind.BLOCK, META), "/file: a device has to have numbers"),
        (Node(Kind.BLOCK, META, device=(1 << 32, 0)), "/file: device 4294967296:0 is not within"),
        (with_attribute("btrfs.x"), "/file: attribute 'btrfs.x': .*cannot hold"),
        (with_attribute("system.x"), "/file: attribute 'system.x': .*cannot hold"),
        (with_attribute("user"), "/file: attribute 'user': .*cannot hold"),
        (with_attribute("user."), "/file: attribute 'user.': 0 bytes behind 'user.'"),
        (with_attribute("user." + "n" * 256), "256 bytes behind 'user.', it takes 1 to 255"),
        (with_attribute("user.x", bytes(65537)), "has 65537 bytes, at most 65536"),
    ],
)
def test_what_gfs2_cannot_hold_is_named_with_its_path(tmp_path: Path, node: Node, message: str) -> None:
    with pytest.raises(UnstorableError, match=message):
        write_image(tmp_path / "image", one_file(node), choice())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n" * 256, "/d: the name .* has 256 bytes, at most 255"),
        ("", "/d: b'' in it cannot be"),
        ("..", "/d: b'..' in it cannot be"),
        ("a/b", "/d: b'a/b' in it cannot be"),
        ("a\0", r"/d: b'a\\x00' in it cannot be"),
    ],
)
def test_what_cannot_be_a_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    folder = directory(Meta(mode=0o755))
    folder.children[name] = symlink("x")
    tree = Tree()
    tree.add("d", folder)
    with pytest.raises(UnstorableError, match=message):
        write_image(tmp_path / "image", tree, choice())


def test_trusted_attributes_need_format_1802(tmp_path: Path) -> None:
    tree = one_file(file(Literal(b""), Meta(mode=0o644, xattrs={"trusted.x": b"y"})))
    written(tmp_path, tree, choice(fs_format=1802))
    with pytest.raises(UnstorableError, match=r"/file: attribute 'trusted.x'"):
        write_image(tmp_path / "image", tree, choice(fs_format=1801))
    tree = one_file(file(Literal(b""), Meta(mode=0o644, xattrs={"user.x": b"y"})))
    written(tmp_path, tree, choice(fs_format=1801))


def test_value_that_a_small_block_cannot_reach_is_refused(tmp_path: Path) -> None:
    tree = one_file(file(Literal(b""), Meta(mode=0o644, xattrs={"user.x": bytes(65536)})))
    with pytest.raises(UnstorableError, match=r"(?s)65536 bytes cannot be reached.*use larger blocks"):
        write_image(tmp_path / "image", tree, choice(block_size=512))


def test_more_attributes_than_can_be_pointed_to_are_refused(tmp_path: Path) -> None:
    xattrs = {f"user.{number}": bytes(300) for number in range(62)}
    tree = one_file(file(Literal(b""), Meta(mode=0o644, xattrs=xattrs)))
    with pytest.raises(UnstorableError, match="62 attributes need 62 blocks, at most 61 can be"):
        write_image(tmp_path / "image", tree, choice(block_size=512))
    del xattrs["user.0"]
    written(tmp_path, tree, choice(block_size=512))


# Room


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_tree_that_does_not_fit_says_what_would_do_and_that_does_do(tmp_path: Path, block_size: int) -> None:
    files.create(tmp_path / "source", 50 * MIB)
    with (tmp_path / "source").open("r+b") as stream:
        stream.write(pattern(50 * MIB))
    tree = one_file(file(whole_file(tmp_path / "source"), META))
    with pytest.raises(NoSpaceError, match=r"the files need .* MiB .* has room for .* MiB") as caught:
        write_image(tmp_path / "image", tree, choice(48 * MIB, block_size))
    assert not (tmp_path / "image").exists()
    least = caught.value.least_bytes
    assert f"make it {least // MIB} MiB or larger" in str(caught.value)
    written(tmp_path, tree, choice(least, block_size))
    with pytest.raises(NoSpaceError):
        write_image(tmp_path / "image", tree, choice(least - MIB, block_size))


def test_contents_of_a_disk_that_fills_up_leave_no_image_behind(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from ssiuml.formats.gfs2.writer import *; from ssiuml.formats.gfs2.geometry import Geometry\n"
        "from ssiuml.tree.tree import Literal, Meta, Tree, file\n"
        "tree = Tree(); tree.add('file', file(Literal(b'x' * (8 << 20)), Meta(mode=0o644)))\n"
        "try: write_image(Path(sys.argv[1]), tree, Settings(geometry=Geometry(64 << 20, 4096, 1, 8 << 20)))\n"
        "except OSError as error: sys.exit(f'{error.filename}: errno {error.errno}')\n"
    )
    small = tmp_path / "small"
    small.mkdir()
    mount = (
        'mount -t tmpfs -o size=4m tmpfs "$1"; "$2" -c "$3" "$1/image"; status=$?; ls -A "$1"; exit $status'
    )
    words: list[str | Path] = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        mount,
        "sh",
        small,
        sys.executable,
        script,
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if "unshare" in result.stderr:
        pytest.skip("this machine allows no user namespace, in which a small disk could be mounted")
    assert f"{small}/image: errno 28" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block_size": 8192}, "block size 8192: GFS2 on Linux takes 512, 1024, 2048, 4096"),
        ({"journals": 0}, "0 journals: there can be 1 to"),
        ({"size_bytes": 1 << 60}, "1048576 TiB is too large: at most 128 TiB"),
        ({"journal_bytes": 4 * MIB}, "journal size 4 MiB: has to be whole MiB, from 8 MiB to 1 GiB"),
        ({"journal_bytes": 8 * MIB + 1}, "journal size 8388609 bytes: has to be whole MiB"),
        ({"rgrp_bytes": 16 * MIB}, "resource group size 16 MiB: has to be"),
        ({"journals": 20}, "100 MiB is too small for 20 journals of 8 MiB, which need more than 16"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        Geometry(**{"size_bytes": 100 * MIB, "journal_bytes": 8 * MIB, **values})


# What it costs


def test_image_takes_little_more_room_than_its_contents(tmp_path: Path) -> None:
    geometry = Geometry(2 * GIB, 4096, 15, 32 * MIB)
    write_image(tmp_path / "image", Tree(), Settings(geometry=geometry))
    # Of 15 journals of 32 MiB there are 30 log headers; the rest is the quota changes, 1 MiB each.
    assert files.allocated_bytes(tmp_path / "image") < 17 * MIB
    choices = Choices(full_journals=True)
    write_image(tmp_path / "full", Tree(), Settings(geometry=geometry, choices=choices))
    assert files.allocated_bytes(tmp_path / "full") > 15 * 32 * MIB
    assert_clean(tmp_path / "full")


@pytest.mark.parametrize(("journals", "block_size"), [(100, 4096), (20, 512)])
def test_so_many_journals_that_their_directories_are_hashed(
    tmp_path: Path, journals: int, block_size: int
) -> None:
    geometry = Geometry(3 * GIB, block_size, journals, 8 * MIB)
    written(tmp_path, one_file(file(Literal(b"x"), META)), Settings(geometry=geometry))
    printed = tool("gfs2_edit", "-p", "jindex", tmp_path / "image")
    assert len(set(re.findall(r"journal\d+", printed))) == journals


def test_quotas_count_the_blocks_of_every_owner(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("a", file(Literal(pattern(10_000)), Meta(mode=0o644, uid=7, gid=9)))
    tree.add("b", file(Literal(b"x"), Meta(mode=0o644, uid=7, gid=0)))
    write_image(tmp_path / "image", tree, choice())
    assert_clean(tmp_path / "image")
    printed = tool("gfs2_edit", "-p", "quota", tmp_path / "image")
    assert printed
    reader = ImageReader(tmp_path / "image")
    block = reader.block(quota_address(reader))
    values = [struct.unpack_from(">Q", block, 232 + 88 * index + 16)[0] for index in range(20)]
    # Records alternate: user 0, group 0, user 1, group 1, ...
    assert {index: value for index, value in enumerate(values) if value} == {0: 1, 1: 2, 14: 5, 19: 4}


def quota_address(reader: ImageReader) -> int:
    (master,) = struct.unpack_from(">Q", reader.data, 65536 + 56)
    found = {name: address for name, _, address, _ in reader.records(reader.block(master), 232)}
    return found[b"quota"]
