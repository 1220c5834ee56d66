"""Folders of the host as layers."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from ssiuml.tree.folder import FolderError, read_folder
from ssiuml.tree.layer import Layer, merge, write_layer
from ssiuml.tree.tree import Kind, Literal, Meta, Tree, directory, file, symlink

TIME_NS = 1_704_067_200_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "filled"
    path.mkdir()
    return path


def _entries(layer: Layer) -> list[tuple[str, str]]:
    return [(path, node.kind.value) for path, node in layer.entries]


def test_files_links_and_folders_are_taken_parents_first(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "inittab").write_bytes(b"id:3\n")
    (folder / "a-link").symlink_to("etc")
    (folder / "dangling").symlink_to("/no where/\udcff")
    layer = read_folder(folder, TIME_NS, Tree())
    assert _entries(layer) == [("a-link", "l"), ("dangling", "l"), ("etc", "d"), ("etc/inittab", "f")]
    tree = merge([layer])
    assert tree.lookup("etc/inittab").read() == b"id:3\n"
    assert tree.lookup("a-link", follow=False).target == "etc"
    assert tree.lookup("dangling", follow=False).target == "/no where/\udcff"
    assert layer.removed == []


def test_everything_belongs_to_root_and_has_one_time(folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d").chmod(0o2750)
    (folder / "d" / "f").touch()
    (folder / "d" / "f").chmod(0o4711)
    (folder / "l").symlink_to("d")
    metas = {path: node.meta for path, node in read_folder(folder, TIME_NS, Tree()).entries}
    assert metas == {
        "d": Meta(mode=0o2750, mtime_ns=TIME_NS),
        "d/f": Meta(mode=0o4711, mtime_ns=TIME_NS),
        "l": Meta(mode=0o777, mtime_ns=TIME_NS),
    }


def test_folders_that_are_there_already_keep_their_modes(folder: Path) -> None:
    (folder / "root").mkdir(0o755)
    (folder / "root" / "new").mkdir(0o755)
    (folder / "lib").mkdir(0o755)
    (folder / "lib" / "x").touch()
    below = Tree()
    below.add("root", directory(Meta(mode=0o700)))
    below.add("usr/lib", directory(Meta(mode=0o711)))
    below.add("lib", symlink("usr/lib"))
    layer = read_folder(folder, TIME_NS, below)
    assert _entries(layer) == [("lib/x", "f"), ("root/new", "d")]
    layer.apply(below)
    assert below.lookup("root").meta.mode == 0o700
    assert below.lookup("usr/lib/x").kind is Kind.FILE


def test_folder_where_the_tree_has_a_file_is_taken(folder: Path) -> None:
    (folder / "x").mkdir()
    below = Tree()
    below.add("x", file(Literal(b""), Meta(mode=0o644)))
    assert _entries(read_folder(folder, TIME_NS, below)) == [("x", "d")]


def test_gnu_tar_finds_the_same_names_in_the_layer(folder: Path, tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff\xfe", "ä".encode(), b" blank ", b"back\\slash", b"n" * 200]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)
    write_layer(tmp_path / "a.tar", read_folder(folder, TIME_NS, Tree()))
    done = subprocess.run(["tar", "-df", tmp_path / "a.tar", "-C", folder], capture_output=True, text=True)
    said = {line.partition(": ")[2] for line in done.stdout.splitlines()}
    assert said <= {"Mod time differs", "Uid differs", "Gid differs"}
    listed = subprocess.run(["tar", "-tf", tmp_path / "a.tar"], capture_output=True, check=True).stdout
    assert listed.count(b"\n") == len(names)


def test_the_same_folder_gives_the_same_bytes_whenever_it_was_filled(tmp_path: Path) -> None:
    archives = []
    for name, order in (("one", 1), ("two", -1)):
        for inside in ("b", "a", "c/d")[::order]:
            path = tmp_path / name / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(inside)
        os.utime(tmp_path / name / "a", (order, order))
        archives.append(tmp_path / f"{name}.tar")
        write_layer(archives[-1], read_folder(tmp_path / name, TIME_NS, Tree()))
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_empty_folder_is_an_empty_layer(folder: Path) -> None:
    assert read_folder(folder, TIME_NS, Tree()) == Layer()


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "No such file or directory"), ("file", "Not a directory")]
)
def test_what_is_no_folder_is_an_error_and_not_an_empty_layer(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError) as error:
        read_folder(tmp_path / name, TIME_NS, Tree())
    assert str(error.value) == f"{tmp_path / name}: cannot be read as a folder: {why}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_folder_inside_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "closed").mkdir(0o000)
    with pytest.raises(FolderError, match="closed: cannot be read as a folder: Permission denied"):
        read_folder(folder, TIME_NS, Tree())


def test_fifos_and_sockets_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "fifo")
    with pytest.raises(FolderError, match=r"fifo: is neither file, directory nor symbolic link$"):
        read_folder(folder, TIME_NS, Tree())
    (folder / "fifo").unlink()
    monkeypatch.chdir(folder)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(FolderError, match="socket: is neither"):
            read_folder(folder, TIME_NS, Tree())
