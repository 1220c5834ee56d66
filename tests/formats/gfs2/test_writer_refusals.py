"""Trees that GFS2 cannot hold are refused with the path, and too large ones with the size that fits."""

import subprocess
import sys
from pathlib import Path

import pytest
from gfs2_writing import assert_written, settings_for, tree_of
from odd_trees import pattern
from programs import unshare

from ssiuml.formats.gfs.resource_groups import NoSpaceError
from ssiuml.formats.gfs.structures import UnstorableError
from ssiuml.formats.gfs2.writer import write_image
from ssiuml.host import files
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink, whole_file
from ssiuml.units import MIB

META = Meta(mode=0o644)
BLOCK_SIZES = (512, 1024, 2048, 4096)


def with_attribute(name: str, value: bytes = b"") -> Node:
    return file(Literal(b""), Meta(mode=0o644, xattrs={name: value}))


def test_a_symbolic_link_of_3863_bytes_works_and_one_of_3864_is_refused(tmp_path: Path) -> None:
    assert_written(tmp_path, tree_of(symlink("t" * 3863)))
    (tmp_path / "image").unlink()
    message = "/file: the symbolic link's target has 3864 bytes, 1 to 3863 are possible"
    with pytest.raises(UnstorableError, match=message):
        write_image(tmp_path / "image", tree_of(symlink("t" * 3864)), settings_for())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (symlink(""), "/file: the symbolic link's target has 0 bytes"),
        (file(Literal(b""), Meta(mode=0o644, uid=1 << 32)), "/file: owner 4294967296:0 is not within"),
        (file(Literal(b""), Meta(mode=0o644, gid=-1)), "/file: owner 0:-1 is not within"),
        (file(Literal(b""), Meta(mode=0o100644)), "/file: mode 0o100644 is not within"),
        (file(Literal(b""), Meta(mode=0, mtime_ns=1 << 94)), "/file: time .* does not fit"),
        (Node(Kind.BLOCK, META), "/file: the device has no numbers"),
        (Node(Kind.BLOCK, META, device=(1 << 32, 0)), "/file: device 4294967296:0 is not within"),
        (with_attribute("btrfs.x"), "/file: attribute 'btrfs.x': .*cannot hold"),
        (with_attribute("system.x"), "/file: attribute 'system.x': .*cannot hold"),
        (with_attribute("user"), "/file: attribute 'user': .*cannot hold"),
        (with_attribute("user."), "/file: attribute 'user.': its name has 0 bytes behind 'user.'"),
        (with_attribute("user." + "n" * 256), "256 bytes behind 'user.', 1 to 255 are possible"),
        (with_attribute("user.x", bytes(65537)), "has 65537 bytes, at most 65536"),
    ],
)
def test_a_file_that_gfs2_cannot_hold_is_refused_with_its_path(
    tmp_path: Path, node: Node, message: str
) -> None:
    with pytest.raises(UnstorableError, match=message):
        write_image(tmp_path / "image", tree_of(node), settings_for())
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
def test_an_impossible_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    folder = directory(Meta(mode=0o755))
    folder.children[name] = symlink("x")
    tree = Tree()
    tree.add("d", folder)
    with pytest.raises(UnstorableError, match=message):
        write_image(tmp_path / "image", tree, settings_for())


def test_trusted_attributes_need_format_1802(tmp_path: Path) -> None:
    tree = tree_of(file(Literal(b""), Meta(mode=0o644, xattrs={"trusted.x": b"y"})))
    assert_written(tmp_path, tree, settings_for(fs_format=1802))
    with pytest.raises(UnstorableError, match=r"/file: attribute 'trusted.x'"):
        write_image(tmp_path / "image", tree, settings_for(fs_format=1801))
    tree = tree_of(file(Literal(b""), Meta(mode=0o644, xattrs={"user.x": b"y"})))
    assert_written(tmp_path, tree, settings_for(fs_format=1801))


def test_a_value_whose_pointers_do_not_fit_into_a_small_block_is_refused(tmp_path: Path) -> None:
    tree = tree_of(file(Literal(b""), Meta(mode=0o644, xattrs={"user.x": bytes(65536)})))
    with pytest.raises(
        UnstorableError, match=r"(?s)65536 bytes do not fit into one block of 512 bytes.*use larger blocks"
    ):
        write_image(tmp_path / "image", tree, settings_for(block_size=512))


def test_more_attribute_blocks_than_an_indirect_block_has_pointers_are_refused(tmp_path: Path) -> None:
    xattrs = {f"user.{number}": bytes(300) for number in range(62)}
    tree = tree_of(file(Literal(b""), Meta(mode=0o644, xattrs=xattrs)))
    with pytest.raises(UnstorableError, match="62 attributes need 62 blocks, at most 61 are possible"):
        write_image(tmp_path / "image", tree, settings_for(block_size=512))
    del xattrs["user.0"]
    assert_written(tmp_path, tree, settings_for(block_size=512))


# Trees that do not fit


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_a_tree_that_does_not_fit_is_refused_with_the_smallest_size_that_fits(
    tmp_path: Path, block_size: int
) -> None:
    files.create(tmp_path / "source", 50 * MIB)
    with (tmp_path / "source").open("r+b") as stream:
        stream.write(pattern(50 * MIB))
    tree = tree_of(file(whole_file(tmp_path / "source"), META))
    with pytest.raises(NoSpaceError, match=r"the files need .* MiB .* has room for .* MiB") as caught:
        write_image(tmp_path / "image", tree, settings_for(48 * MIB, block_size))
    assert not (tmp_path / "image").exists()
    least = caught.value.least_bytes
    assert f"make it {least // MIB} MiB or larger" in str(caught.value)
    assert_written(tmp_path, tree, settings_for(least, block_size))
    with pytest.raises(NoSpaceError):
        write_image(tmp_path / "image", tree, settings_for(least - MIB, block_size))


def test_a_full_disk_is_an_error_and_leaves_no_image(tmp_path: Path) -> None:
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
        *unshare("--map-root-user", "--mount"),
        "sh",
        "-c",
        mount,
        "sh",
        small,
        sys.executable,
        script,
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert f"{small}/image: errno 28" in result.stderr
    assert result.stdout == ""
