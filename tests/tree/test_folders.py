"""A folder as a tree: everything that lstat and the attributes say, and nothing followed."""

import os
import socket
import stat
from pathlib import Path

import pytest

from ssiuml.tree.folders import ScanError, scan_folder
from ssiuml.tree.tree import Kind, TreeError


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


def test_every_name_is_there_with_its_kind_and_no_link_is_followed(folder: Path) -> None:
    kinds = {path: node.kind for path, node in scan_folder(folder).walk()}
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
    tree = scan_folder(folder)
    for path, node in tree.walk():
        state = (folder / path).lstat()
        meta = node.meta
        assert (meta.mode, meta.uid, meta.gid) == (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid)
        assert meta.mtime_ns == state.st_mtime_ns
    assert tree.lookup("sub").meta.mtime_ns == 1_234_567_890_123_456_789
    assert tree.lookup("link", follow=False).target == "../top/file"


def test_names_of_one_inode_share_a_node_and_contents_are_read_only_when_asked_for(folder: Path) -> None:
    tree = scan_folder(folder)
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
    tree = scan_folder(folder)
    assert tree.lookup("file").meta.xattrs["user.odd"] == b"a\0b\xff"
    assert "user.odd" not in tree.lookup("sub").meta.xattrs


def test_device_nodes_have_their_numbers(folder: Path) -> None:
    try:
        os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(folder / "disk", stat.S_IFBLK | 0o660, os.makedev(98, 256))
    except PermissionError:
        pytest.skip("device nodes are for root")
    tree = scan_folder(folder)
    assert (tree.lookup("null").kind, tree.lookup("null").device) == (Kind.CHARACTER, (1, 3))
    assert (tree.lookup("disk").kind, tree.lookup("disk").device) == (Kind.BLOCK, (98, 256))


@pytest.mark.parametrize("name", ["file", "absent", "fifo"])
def test_what_is_no_folder_is_an_error(folder: Path, name: str) -> None:
    with pytest.raises(ScanError, match=f"{name}: "):
        scan_folder(folder / name)


def test_what_may_not_be_read_is_an_error_with_its_path(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "file").chmod(0)
    with pytest.raises(ScanError, match="file: cannot be read: Permission denied"):
        scan_folder(folder)
