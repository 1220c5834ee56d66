"""Folders of the host, read as a tree as lstat shows them, and as a layer whose files belong to root."""

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.tree.folders import read_folder_layer, read_folder_tree
from ssiuml.tree.layer import Layer, merge, write_layer
from ssiuml.tree.tree import Kind, Literal, Meta, Tree, TreeError, directory, file, symlink

TIME_NS = 1_704_067_200_000_000_000


# A folder as a tree.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (top / "file").write_bytes(b"0123456789")
    os.link(top / "file", top / "sub" / "second")
    (top / "link").symlink_to("../top/file")
    (top / "outside").symlink_to("/")
    os.mkfifo(top / "fifo", 0o620)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(top / "socket"))
    (top / os.fsdecode(b"latin-\xe9")).write_bytes(b"")
    (top / "sub").chmod(0o2750)
    os.utime(top / "sub", ns=(1, 1_234_567_890_123_456_789))
    return top


def test_tree_has_every_name_with_its_kind_and_follows_no_link(folder: Path) -> None:
    kinds = {path: node.kind for path, node in read_folder_tree(folder).walk()}
    assert kinds == {
        "": Kind.DIRECTORY,
        "file": Kind.FILE,
        "fifo": Kind.FIFO,
        "latin-\udce9": Kind.FILE,
        "link": Kind.SYMLINK,
        "outside": Kind.SYMLINK,
        "socket": Kind.SOCKET,
        "sub": Kind.DIRECTORY,
        "sub/second": Kind.FILE,
    }


def test_modes_owners_times_and_targets_are_those_of_lstat(folder: Path) -> None:
    tree = read_folder_tree(folder)
    for path, node in tree.walk():
        state = (folder / path).lstat()
        meta = node.meta
        assert (meta.mode, meta.uid, meta.gid) == (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid)
        assert meta.mtime_ns == state.st_mtime_ns
    assert tree.lookup("sub").meta.mtime_ns == 1_234_567_890_123_456_789
    assert tree.lookup("link", follow=False).target == "../top/file"


def test_hard_links_share_a_node_and_contents_are_not_read_before_they_are_needed(folder: Path) -> None:
    tree = read_folder_tree(folder)
    assert tree.lookup("file") is tree.lookup("sub/second")
    assert tree.lookup("file").read() == b"0123456789"
    (folder / "file").write_bytes(b"01234")
    with pytest.raises(TreeError, match="ends 5 bytes before it should"):
        tree.lookup("file").read()


def test_extended_attributes_are_read_where_the_file_system_has_them(folder: Path) -> None:
    try:
        os.setxattr(folder / "file", "user.odd", b"a\0b\xff")
    except OSError as error:
        pytest.skip(f"no user attributes here: {error.strerror}")
    tree = read_folder_tree(folder)
    assert tree.lookup("file").meta.xattrs["user.odd"] == b"a\0b\xff"
    assert "user.odd" not in tree.lookup("sub").meta.xattrs


def test_device_nodes_have_their_numbers(folder: Path) -> None:
    try:
        os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(folder / "disk", stat.S_IFBLK | 0o660, os.makedev(98, 256))
    except PermissionError:
        pytest.skip("device nodes are for root")
    tree = read_folder_tree(folder)
    assert (tree.lookup("null").kind, tree.lookup("null").device) == (Kind.CHARACTER, (1, 3))
    assert (tree.lookup("disk").kind, tree.lookup("disk").device) == (Kind.BLOCK, (98, 256))


@pytest.mark.parametrize("name", ["file", "absent", "fifo"])
def test_tree_of_anything_but_a_folder_is_an_error_with_its_path(folder: Path, name: str) -> None:
    with pytest.raises(SsiumlError, match=f"{name}: "):
        read_folder_tree(folder / name)


def test_file_that_the_user_may_not_read_is_an_error_with_its_path(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "file").chmod(0)
    with pytest.raises(SsiumlError, match="file: cannot be read: Permission denied"):
        read_folder_tree(folder)


# A folder as a layer.


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "filled"
    path.mkdir()
    return path


def _entries(layer: Layer) -> list[tuple[str, str]]:
    return [(path, node.kind.value) for path, node in layer.entries]


def test_layer_has_files_links_and_folders_parents_first(filled: Path) -> None:
    (filled / "etc").mkdir()
    (filled / "etc" / "inittab").write_bytes(b"id:3\n")
    (filled / "a-link").symlink_to("etc")
    (filled / "dangling").symlink_to("/no where/\udcff")
    layer = read_folder_layer(filled, TIME_NS, Tree())
    assert _entries(layer) == [("a-link", "l"), ("dangling", "l"), ("etc", "d"), ("etc/inittab", "f")]
    tree = merge([layer])
    assert tree.lookup("etc/inittab").read() == b"id:3\n"
    assert tree.lookup("a-link", follow=False).target == "etc"
    assert tree.lookup("dangling", follow=False).target == "/no where/\udcff"
    assert layer.removed == []


def test_everything_in_the_layer_belongs_to_root_and_has_the_same_time(filled: Path) -> None:
    (filled / "d").mkdir()
    (filled / "d").chmod(0o2750)
    (filled / "d" / "f").touch()
    (filled / "d" / "f").chmod(0o4711)
    (filled / "l").symlink_to("d")
    metas = {path: node.meta for path, node in read_folder_layer(filled, TIME_NS, Tree()).entries}
    assert metas == {
        "d": Meta(mode=0o2750, mtime_ns=TIME_NS),
        "d/f": Meta(mode=0o4711, mtime_ns=TIME_NS),
        "l": Meta(mode=0o777, mtime_ns=TIME_NS),
    }


def test_folders_that_the_tree_has_already_are_not_in_the_layer(filled: Path) -> None:
    (filled / "root").mkdir(0o755)
    (filled / "root" / "new").mkdir(0o755)
    (filled / "lib").mkdir(0o755)
    (filled / "lib" / "x").touch()
    below = Tree()
    below.add("root", directory(Meta(mode=0o700)))
    below.add("usr/lib", directory(Meta(mode=0o711)))
    below.add("lib", symlink("usr/lib"))
    layer = read_folder_layer(filled, TIME_NS, below)
    assert _entries(layer) == [("lib/x", "f"), ("root/new", "d")]
    layer.apply(below)
    assert below.lookup("root").meta.mode == 0o700
    assert below.lookup("usr/lib/x").kind is Kind.FILE


def test_folder_where_the_tree_has_a_file_is_in_the_layer(filled: Path) -> None:
    (filled / "x").mkdir()
    below = Tree()
    below.add("x", file(Literal(b""), Meta(mode=0o644)))
    assert _entries(read_folder_layer(filled, TIME_NS, below)) == [("x", "d")]


def test_gnu_tar_finds_the_same_names_in_the_layer(filled: Path, tmp_path: Path) -> None:
    names = [b"new\nline", b"\xff\xfe", "ä".encode(), b" blank ", b"back\\slash", b"n" * 200]
    for name in names:
        (filled / os.fsdecode(name)).write_bytes(name)
    write_layer(tmp_path / "a.tar", read_folder_layer(filled, TIME_NS, Tree()))
    done = subprocess.run(["tar", "-df", tmp_path / "a.tar", "-C", filled], capture_output=True, text=True)
    differences = {line.partition(": ")[2] for line in done.stdout.splitlines()}
    assert differences <= {"Mod time differs", "Uid differs", "Gid differs"}
    listed = subprocess.run(["tar", "-tf", tmp_path / "a.tar"], capture_output=True, check=True).stdout
    assert listed.count(b"\n") == len(names)


def test_folders_with_the_same_files_give_the_same_bytes_in_any_order_and_at_any_time(tmp_path: Path) -> None:
    archives = []
    for name, order in (("one", 1), ("two", -1)):
        for inside in ("b", "a", "c/d")[::order]:
            path = tmp_path / name / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(inside)
        os.utime(tmp_path / name / "a", (order, order))
        archives.append(tmp_path / f"{name}.tar")
        write_layer(archives[-1], read_folder_layer(tmp_path / name, TIME_NS, Tree()))
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_empty_folder_gives_an_empty_layer(filled: Path) -> None:
    assert read_folder_layer(filled, TIME_NS, Tree()) == Layer()


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "No such file or directory"), ("file", "Not a directory")]
)
def test_layer_of_anything_but_a_folder_is_an_error(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SsiumlError) as error:
        read_folder_layer(tmp_path / name, TIME_NS, Tree())
    assert str(error.value) == f"{tmp_path / name}: cannot be read as a folder: {why}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_folder_inside_is_an_error(filled: Path) -> None:
    (filled / "closed").mkdir(0o000)
    with pytest.raises(SsiumlError, match="closed: cannot be read as a folder: Permission denied"):
        read_folder_layer(filled, TIME_NS, Tree())


def test_fifos_and_sockets_are_no_part_of_a_layer(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(filled / "fifo")
    with pytest.raises(SsiumlError, match=r"fifo: is no file, folder or symbolic link$"):
        read_folder_layer(filled, TIME_NS, Tree())
    (filled / "fifo").unlink()
    monkeypatch.chdir(filled)  # the address of a socket has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(SsiumlError, match="socket: is no file"):
            read_folder_layer(filled, TIME_NS, Tree())
