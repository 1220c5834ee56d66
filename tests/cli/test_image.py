"""ssi-image: its output, the files that it extracts, its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from gfs_images import gfs2_image, write_gfs1_image

from ssiuml.cli import image, mkfs_gfs, passemble, ptool
from ssiuml.host.files import create
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.layer import merge, read_layer, write_tree
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink

MIB = 1 << 20


def tree_of_all() -> Tree:
    tree = Tree(Meta(mode=0o755))
    tree.add("etc/motd", file(Literal(b"hello\n"), Meta(mode=0o644, uid=7, gid=8, mtime_ns=5 * 10**9)))
    tree.add("etc/other", symlink("motd"))
    tree.add("etc/forged\n-rw name", file(Literal(b""), Meta(mode=0o600)))
    tree.add("binary", file(Literal(bytes(range(256)) * 100), Meta(mode=0o4755)))
    tree.add("dev/null", Node(Kind.CHARACTER, Meta(mode=0o666), device=(1, 3)))
    tree.add("empty", directory(Meta(mode=0o700)))
    return tree


@pytest.fixture
def root_fs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_gfs1_image(tmp_path / "root_fs", tree_of_all(), size_mib=64)
    return tmp_path / "root_fs"


def ssi_image(*words: str | Path) -> Outcome:
    return call_command(image.main, *words)


def cat(*words: str | Path) -> bytes:
    command = [sys.executable, "-m", "ssiuml.cli.image", "cat", *words]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_info_shows_format_size_lock_table_journals_and_free_space(root_fs: Path) -> None:
    ended = ssi_image("info", root_fs)
    assert (ended.status, ended.err) == (0, "")
    lines = dict(line.split(": ", 1) for line in ended.out.splitlines())
    assert lines["format"] == "GFS1 (1309, multihost 1401)"
    assert lines["size"] == "64 MiB, 16384 blocks of 4096 bytes"
    assert (lines["lock protocol"], lines["lock table"]) == ("lock_nolock", "a:b")
    assert lines["journals"] == "1 of 8 MiB"
    assert lines["free"].startswith("55.")


def test_ls_prints_one_line_for_each_name_even_if_it_holds_a_newline(root_fs: Path) -> None:
    ended = ssi_image("ls", root_fs, "/etc")
    assert ended.out.splitlines() == [
        "-rw-------     0     0          0 0 forged\\x0a-rw name",
        "-rw-r--r--     7     8          6 5 motd",
        "lrwxrwxrwx     0     0          0 0 other -> motd",
    ]
    assert "crw-rw-rw-     0     0        1,3 0 null" in ssi_image("ls", root_fs, "dev").out
    assert ssi_image("ls", root_fs, "/etc/other").out == "-rw-r--r--     7     8          6 5 /etc/motd\n"
    listed = ssi_image("ls", "-R", root_fs).out.splitlines()
    assert len(listed) == 9
    assert listed[1] == "-rwsr-xr-x     0     0      25600 0 /binary"


def test_cat_prints_a_file_also_through_a_symbolic_link(root_fs: Path) -> None:
    assert cat(root_fs, "/etc/other") == b"hello\n"
    assert cat(root_fs, "binary") == bytes(range(256)) * 100


def test_extract_fills_a_new_folder(root_fs: Path, tmp_path: Path) -> None:
    ended = ssi_image("extract", root_fs, tmp_path / "out")
    assert ended.status == 0
    assert (tmp_path / "out/etc/motd").read_text() == "hello\n"
    assert (tmp_path / "out/etc/other").is_symlink()
    assert (tmp_path / "out/binary").stat().st_mode & 0o7777 == 0o4755
    if os.geteuid() == 0:
        assert ended.err == ""
        assert (tmp_path / "out/etc/motd").stat().st_uid == 7
    else:
        assert "left out: dev/null" in ended.err
    again = ssi_image("extract", root_fs, tmp_path / "out")
    assert again.status == 1
    assert "exists and is not an empty folder" in again.err


def test_extract_makes_an_archive_that_holds_everything(root_fs: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tree.tar"
    assert ssi_image("extract", root_fs, archive) == Outcome(0, "", "")
    assert differences(take_census(tree_of_all()), take_census(merge([read_layer(archive)]))) == []
    ended = ssi_image("extract", root_fs, archive)
    assert ended.status == 2
    assert "tree.tar: exists already" in ended.err


def test_files_that_an_archive_cannot_hold_are_left_out_and_named(root_fs: Path, tmp_path: Path) -> None:
    tree = tree_of_all()
    tree.add("dev/socket", Node(Kind.SOCKET, Meta(mode=0o600)))
    tree.add("dev/far", Node(Kind.BLOCK, Meta(mode=0o600), device=(1 << 21, 0)))
    write_gfs1_image(root_fs, tree, size_mib=64)
    ended = ssi_image("extract", root_fs, tmp_path / "tree.tar")
    assert ended.status == 0
    assert (
        "left out: dev/far\nssi-image: left out: dev/socket\nssi-image: 2 left out: an archive" in ended.err
    )
    kept = merge([read_layer(tmp_path / "tree.tar")])
    assert differences(take_census(tree_of_all()), take_census(kept)) == []


def test_names_that_look_like_whiteouts_survive_an_archive(root_fs: Path, tmp_path: Path) -> None:
    tree = tree_of_all()
    tree.add("etc/.wh.motd", file(Literal(b"no whiteout"), Meta(mode=0o644)))
    write_gfs1_image(root_fs, tree, size_mib=64)
    archive = tmp_path / "tree.tar"
    assert ssi_image("extract", root_fs, archive) == Outcome(0, "", "")
    words = ("-q", "-p", "memexp", "-t", "c", "-J", "32", "-d", archive)
    assert call_command(mkfs_gfs.main, *words, root_fs).status == 0
    assert ssi_image("verify", root_fs, "--compare", archive).status == 0
    assert cat(root_fs, "/etc/.wh.motd") == b"no whiteout"


def test_link_targets_and_attribute_names_with_a_nul_are_reported_as_damage(
    root_fs: Path, tmp_path: Path
) -> None:
    tree = tree_of_all()
    tree.add("link", symlink("a target"))
    tree.add("with", file(Literal(b""), Meta(mode=0o644, xattrs={"user.a target": b"x"})))
    write_gfs1_image(root_fs, tree, size_mib=64)
    data = root_fs.read_bytes()
    assert data.count(b"a target") == 2
    root_fs.write_bytes(data.replace(b"a target", b"a\0target"))
    calls: list[tuple[str, list[Path]]] = [("verify", []), ("ls", [])]
    calls += [("extract", [tmp_path / name]) for name in ("out", "out.tar")]
    for command, targets in calls:
        ended = ssi_image(command, root_fs, *targets)
        assert ended.status == 1
        assert "dinode: a NUL in the target of a symbolic link" in ended.err
        assert "attribute: 'user.a\\x00target' has a NUL in its name" in ended.err
    assert (tmp_path / "out/etc/motd").read_bytes() == b"hello\n"


def test_names_that_are_not_utf8_can_be_printed(tmp_path: Path) -> None:
    image, table = tmp_path / os.fsdecode(b"\xff"), os.fsdecode(b"\xfe")
    create(image, 64 * MIB)

    def printed(module: str, *words: str | Path) -> bytes:
        command: list[str | Path] = [sys.executable, "-m", f"ssiuml.cli.{module}", *words]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": str(tmp_path / "state")}
        return subprocess.run(command, capture_output=True, check=True, env=environment).stdout

    for format_ in ("gfs1", "gfs2"):
        options = ("-p", "lock_nolock", "-t", table, "-J", "32", "--format", format_)
        output = printed("mkfs_gfs", *options, image)
        assert rb"/\udcff: " + format_.encode() in output
        assert rb"lock_nolock, \udcfe" in output
        assert rb"/\udcff: clean, 1 inode," in printed("image", "verify", image)


def test_verify_compares_with_an_archive(root_fs: Path, tmp_path: Path) -> None:
    tree = tree_of_all()
    write_tree(tmp_path / "same.tar", tree)
    ended = ssi_image("verify", root_fs, "--compare", tmp_path / "same.tar")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"{root_fs}: clean, 9 inodes, 1 journal, 55.")
    tree.remove("binary")
    tree.add("new", symlink("x"))
    write_tree(tmp_path / "other.tar", tree)
    ended = ssi_image("verify", root_fs, "--compare", tmp_path / "other.tar")
    assert ended.status == 1
    assert ended.err == "ssi-image: /binary: is there but should not be\nssi-image: /new: is missing\n"


def test_damage_is_reported_and_the_rest_is_still_extracted(root_fs: Path, tmp_path: Path) -> None:
    data = bytearray(root_fs.read_bytes())
    at = data.index(b"hello\n") - 232  # the dinode of /etc/motd
    data[at : at + 4] = bytes(4)
    root_fs.write_bytes(data)
    for words in (["verify", "IMAGE"], ["ls", "-R", "IMAGE"], ["extract", "IMAGE", str(tmp_path / "out")]):
        ended = ssi_image(*(word.replace("IMAGE", str(root_fs)) for word in words))
        assert ended.status == 1
        assert f"block {at // 4096}: DI header: magic 0x00000000" in ended.err
        assert "Traceback" not in ended.err
    assert (tmp_path / "out/binary").read_bytes() == bytes(range(256)) * 100


def test_gfs2_images_are_read_in_the_same_way(root_fs: Path, tmp_path: Path) -> None:
    gfs2_image(tmp_path, 4096)
    assert "format: GFS2 (1802, multihost 1900)\n" in ssi_image("info", tmp_path / "gfs2").out
    assert ssi_image("verify", tmp_path / "gfs2").status == 0


@pytest.mark.parametrize("stripe", [0, 16])
def test_pools_are_read_through_their_map(root_fs: Path, tmp_path: Path, stripe: int) -> None:
    config = tmp_path / "pool.cf"
    config.write_text(
        f"poolname p\nsubpools 1\nsubpool 0 {stripe} 2\npooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\n"
    )
    for name in "ab":
        create(tmp_path / name, 48 * MIB)
    write_tree(tmp_path / "tree.tar", tree_of_all())
    words = [f"--device=/dev/{name}={tmp_path / name}" for name in "ab"]
    assert call_command(ptool.main, config, *words).status == 0
    assert call_command(passemble.main).status == 0
    options = ["-q", "-p", "memexp", "-t", "/dev/pool/c", "-J", "32", "-d", str(tmp_path / "tree.tar")]
    assert call_command(mkfs_gfs.main, *options, "/dev/pool/p").status == 0
    ended = ssi_image("verify", "/dev/pool/p", "--compare", tmp_path / "tree.tar")
    assert (ended.status, ended.err) == (0, "")
    ended = ssi_image("info", tmp_path / "a")
    assert ended.status == 2
    assert "is one of several devices of the pool p\n  call passemble" in ended.err


def test_the_only_device_of_a_pool_is_read_behind_its_label(root_fs: Path, tmp_path: Path) -> None:
    config = tmp_path / "pool.cf"
    config.write_text("poolname p\nsubpools 1\nsubpool 0 0 1\npooldevice 0 0 /dev/a\n")
    create(tmp_path / "a", 64 * MIB)
    assert call_command(ptool.main, config, f"--device=/dev/a={tmp_path / 'a'}").status == 0
    assert call_command(passemble.main).status == 0
    assert call_command(mkfs_gfs.main, "-p", "memexp", "-t", "c", "-J", "32", "/dev/pool/p").status == 0
    assert ssi_image("verify", tmp_path / "a").status == 0


def test_map_is_not_drawn_over_a_device_of_the_pool(root_fs: Path, tmp_path: Path) -> None:
    config = tmp_path / "pool.cf"
    config.write_text("poolname p\nsubpools 1\nsubpool 0 0 2\npooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\n")
    files = [tmp_path / "a.png", tmp_path / "b.svg"]
    for path in files:
        create(path, 48 * MIB)
    words = [f"--device=/dev/{path.stem}={path}" for path in files]
    assert call_command(ptool.main, config, *words).status == 0
    assert call_command(passemble.main).status == 0
    assert call_command(mkfs_gfs.main, "-q", "-p", "memexp", "-t", "c", "-J", "32", "/dev/pool/p").status == 0
    before = [path.read_bytes() for path in files]
    link = tmp_path / "link.svg"
    link.hardlink_to(files[1])
    for target in (*files, link):
        ended = ssi_image("map", "/dev/pool/p", "-o", target)
        assert ended.status == 2
        assert f"{target}: is the image itself, or a part of it" in ended.err
    assert [path.read_bytes() for path in files] == before
    assert ssi_image("map", "/dev/pool/p", "-o", tmp_path / "other.SVG").status == 0
    assert (tmp_path / "other.SVG").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["info", "absent"], 2, "absent: is not there"),
        (["info", "empty"], 1, "empty: has 0 bytes, a GFS superblock lies at byte 65536"),
        (["info", "/proc/self/mem"], 1, "/proc/self/mem: its size cannot be found"),
        (["verify", "zeros"], 1, "zeros: has no GFS superblock at byte 65536: 0x00000000 instead of"),
        (["ls", "root_fs", "/none"], 2, "/none: no such file in the tree"),
        (["cat", "root_fs", "/etc"], 2, "/etc: is no regular file"),
        (["cat", "root_fs"], 2, "the following arguments are required: PATH"),
        (["info", "/dev/pool/none"], 2, "/dev/pool/none: is not assembled"),
    ],
)
def test_usage_errors_and_files_that_are_no_image_are_reported(
    root_fs: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, message: str
) -> None:
    monkeypatch.chdir(root_fs.parent)
    Path("empty").touch()
    create(Path("zeros").absolute(), MIB)
    ended = ssi_image(*words)
    assert (ended.status, message in ended.err) == (status, True), ended.err


def test_help_has_examples_and_the_exit_status() -> None:
    ended = ssi_image("--help")
    assert "ssi-image extract root_fs tree.tar" in ended.out
    assert "Exit status: 0, 1 if" in ended.out.replace("\n", " ")


@pytest.mark.parametrize("name", ["picture.svg", "picture.png"])
def test_map_draws_a_picture_and_prints_the_size_of_a_square(
    root_fs: Path, tmp_path: Path, name: str
) -> None:
    ended = ssi_image("map", root_fs, "-o", tmp_path / name)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"{tmp_path / name}: 4096 squares of 16 KiB each\n"
    kind = subprocess.run(["file", "-b", tmp_path / name], capture_output=True, text=True, check=True).stdout
    assert kind.startswith(("SVG", "PNG"))
    first = (tmp_path / name).read_bytes()
    assert ssi_image("map", root_fs, "-o", tmp_path / name).status == 0
    assert (tmp_path / name).read_bytes() == first


def test_map_writes_to_the_current_folder_by_default(
    root_fs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert ssi_image("map", root_fs).status == 0
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["root_fs.svg"]


def test_map_of_a_damaged_image_is_drawn_and_the_damage_reported(root_fs: Path, tmp_path: Path) -> None:
    data = bytearray(root_fs.read_bytes())
    data[data.index(b"motd") - 30] ^= 0xFF
    root_fs.write_bytes(data)
    ended = ssi_image("map", root_fs, "-o", tmp_path / "a.svg")
    assert ended.status == 1
    assert "block " in ended.err
    assert "damage" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("a.jpg", "ends with neither .svg nor .png"),
        ("", "exists and is no file"),
        ("image.svg", "is the image itself"),
    ],
)
def test_map_refuses_targets_that_are_no_picture_or_the_image_itself(
    root_fs: Path, tmp_path: Path, target: str, message: str
) -> None:
    image = root_fs.rename(tmp_path / "image.svg")
    folder = tmp_path / "folder.svg"
    folder.mkdir()
    ended = ssi_image("map", image, "-o", tmp_path / target if target else folder)
    assert ended.status == 2
    assert message in ended.err
    assert image.stat().st_size == 64 * MIB


def test_an_image_in_which_only_a_time_differs_is_not_damaged(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("x")
    os.utime(tmp_path / "source" / "file", (5, 5))
    image_file = tmp_path / "root_fs"
    create(image_file, 64 * MIB)
    words = ("-q", "-p", "lock_nolock", "-t", "a:b", "-J", "8", "--format", "gfs2", "-d", tmp_path / "source")
    assert call_command(mkfs_gfs.main, *words, image_file).status == 0
    compare = ("verify", image_file, "--compare", tmp_path / "source")
    assert ssi_image(*compare).out.startswith(f"{image_file}: clean, 2 inodes, ")
    os.utime(tmp_path / "source" / "file", (6, 6))
    ended = ssi_image(*compare)
    assert ended.status == 1
    assert ended.err == "ssi-image: /file: mtime_ns is 5000000000, should be 6000000000\n"
    assert ended.out.startswith(f"{image_file}: clean, differs from {tmp_path}/source, 2 inodes, 1 journal, ")
    # fsck.gfs2 calls it clean, too.
    assert subprocess.run(["fsck.gfs2", "-n", image_file], capture_output=True, check=False).returncode == 0
