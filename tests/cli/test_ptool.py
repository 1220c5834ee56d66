"""ptool labels the HOWTO's two pools, and reports usage errors."""

import errno
import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from project import GOLDEN

from ssiuml.cli import ptool
from ssiuml.formats.pool.label import PoolLabel, read_label
from ssiuml.host.files import allocated_bytes, create
from ssiuml.host.run import find_tool
from ssiuml.images.pools import read_state

MIB = 1 << 20
TWO = "poolname two\nsubpools 1\nsubpool 0 16 2 gfs_data\npooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\n"


class Workspace:
    """The blank files a and b of 1 MiB, and the configuration of a striped pool on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "pools.json"
        self.config = folder / "two.cf"
        self.config.write_text(TWO)
        self.a, self.b = self.blank("a"), self.blank("b")

    def blank(self, name: str, size_bytes: int = MIB) -> Path:
        path = self.folder / name
        create(path, size_bytes)
        return path

    def ptool(self, *words: str | Path) -> Outcome:
        return call_command(ptool.main, "--state", self.state, *words)

    def two(self, *words: str | Path, a: Path | None = None, b: Path | None = None) -> Outcome:
        files = ("--device", f"/dev/a={a or self.a}", "--device", f"/dev/b={b or self.b}")
        return self.ptool(self.config, *files, *words)

    def label(self, path: Path) -> PoolLabel | None:
        return read_label(path.read_bytes()[:512])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_the_howtos_root_file_becomes_its_pool(workspace: Workspace) -> None:
    root_fs = workspace.blank("root_fs", 2 << 30)
    ended = workspace.ptool(GOLDEN / "pool0.cf", "--device", f"/dev/loop2={root_fs}")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "pool0: 1 device labelled, 2097144 KiB usable\n"
    with root_fs.open("rb") as stream:
        label = read_label(stream.read(512))
        assert not any(stream.read(MIB))
    assert label is not None
    assert (label.name, label.pl_blocks) == ("pool0", (2 << 21) - 16)
    assert root_fs.stat().st_size == 2 << 30
    assert allocated_bytes(root_fs) <= 64 << 10
    assert read_state(workspace.state).devices == {"/dev/loop2": str(root_fs)}


def test_every_device_of_a_pool_gets_its_own_label_and_keeps_the_bytes_behind_it(
    workspace: Workspace,
) -> None:
    for path in (workspace.a, workspace.b):
        with path.open("r+b") as stream:
            stream.seek(8192)
            stream.write(path.name.encode() * 1000)
    assert workspace.two().status == 0
    for index, path in enumerate((workspace.a, workspace.b)):
        label = workspace.label(path)
        assert label is not None
        assert (label.name, label.pl_sp_devid, label.pl_sp_devs) == ("two", index, 2)
        assert path.read_bytes()[512:9192] == bytes(8192 - 512) + path.name.encode() * 1000


def test_labelling_a_pool_again_gives_the_same_bytes(workspace: Workspace) -> None:
    assert workspace.two().status == 0
    before = workspace.a.read_bytes()
    assert workspace.two().status == 0
    assert workspace.a.read_bytes() == before


def test_the_label_of_another_pool_is_replaced_only_with_force(workspace: Workspace) -> None:
    assert workspace.two().status == 0
    other = workspace.folder / "other.cf"
    other.write_text("poolname other\nsubpools 1\nsubpool 0 0 1 gfs_data\npooldevice 0 0 /dev/x\n")
    words = (other, "--device", f"/dev/x={workspace.b}")
    ended = workspace.ptool(*words)
    assert ended.status == 1
    assert f"{workspace.b} (/dev/x): already has the label of the pool two\n  give --force" in ended.err
    label = workspace.label(workspace.b)
    assert label is not None
    assert label.name == "two"
    assert workspace.ptool("--force", *words).status == 0
    label = workspace.label(workspace.b)
    assert label is not None
    assert label.name == "other"


def test_unknown_data_is_overwritten_only_with_force_and_otherwise_no_device_is_labelled(
    workspace: Workspace,
) -> None:
    with workspace.b.open("r+b") as stream:
        stream.seek(1080)
        stream.write(b"\x53\xef")  # the place of ext2's magic
    ended = workspace.two()
    assert ended.status == 1
    assert "(/dev/b): is not empty, its first 8192 bytes hold unknown data" in ended.err
    assert workspace.label(workspace.a) is None
    assert workspace.two("--force").status == 0


def test_when_a_label_cannot_be_written_the_other_devices_get_their_old_bytes_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.a.write_bytes(b"old" * 10_000)
    workspace.b.write_bytes(bytes(MIB))
    full, write = workspace.b.stat().st_ino, os.pwrite

    def write_until_full(number: int, data: bytes, offset_bytes: int) -> int:
        if os.fstat(number).st_ino == full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(number, data, offset_bytes)

    monkeypatch.setattr(os, "pwrite", write_until_full)
    ended = workspace.two("--force")
    assert ended.status == 1
    assert f"{workspace.b}: cannot be written at byte 0: No space left on device" in ended.err
    assert workspace.a.read_bytes() == b"old" * 10_000


def test_a_missing_device_is_an_error_with_line_and_hint(workspace: Workspace) -> None:
    ended = workspace.ptool(workspace.config, "--device", f"/dev/a={workspace.a}")
    assert ended.status == 2
    assert ended.err == (
        f"error: {workspace.config}:5: /dev/b: is not there\n  give its file: --device /dev/b=FILE\n"
    )


def test_two_devices_that_are_one_file_are_an_error(workspace: Workspace) -> None:
    link = workspace.folder / "link"
    link.symlink_to(workspace.a)
    ended = workspace.two(b=link)
    assert ended.status == 2
    assert f"two.cf:5: /dev/b and /dev/a are the same file, {link}" in ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "/dev/c=x"], "--device /dev/c: "),
        (["--device", "dev/a=x"], "--device dev/a=x: is not NAME=FILE"),
        (["--device", "/dev/a"], "--device /dev/a: is not NAME=FILE"),
        (["--device", "/dev/a=1", "--device", "/dev/a=2"], "--device /dev/a=2: /dev/a is "),
    ],
)
def test_a_wrong_device_option_is_a_usage_error(workspace: Workspace, words: list[str], message: str) -> None:
    ended = workspace.ptool(workspace.config, *words)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {message}")


def test_a_file_without_write_permission_is_left_unchanged_even_by_root(workspace: Workspace) -> None:
    workspace.b.chmod(0o444)
    ended = workspace.two()
    assert ended.status == 1
    assert f"two.cf:5: {workspace.b}: is read-only, its mode is 0444\n  run chmod u+w" in ended.err
    assert workspace.label(workspace.a) is None


def test_a_folder_is_no_device(workspace: Workspace) -> None:
    ended = workspace.two(b=workspace.folder)
    assert ended.status == 2
    assert "is neither a file nor a block device" in ended.err


def test_an_image_that_another_process_has_locked_is_in_use(workspace: Workspace) -> None:
    # A POSIX lock, as User-Mode Linux takes on its disks. It never excludes its own process, so a child takes
    # it.
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done[1])  # so that the end of the test, in whatever way, is the end of the input
        fd = os.open(workspace.a, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    ended = workspace.two()
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    for fd in (*ready, *done):
        os.close(fd)
    assert ended.status == 1
    assert f"{workspace.a}: is in use, another process has locked it" in ended.err
    assert workspace.two().status == 0


def test_an_image_that_is_attached_to_a_loop_device_is_in_use_but_the_loop_device_is_not(
    workspace: Workspace,
) -> None:
    losetup = find_tool("losetup")
    if os.geteuid() != 0 or losetup is None:
        pytest.skip("loop devices are for root")
    made = subprocess.run([losetup, "-f", "--show", workspace.a], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    loop = made.stdout.strip()
    try:
        ended = workspace.two()
        assert ended.status == 1
        assert f"{workspace.a}: is in use, attached to {loop}\n" in ended.err
        assert workspace.two(a=Path(loop)).status == 0
    finally:
        subprocess.run([losetup, "-d", loop], check=True)
    label = workspace.label(workspace.a)
    assert label is not None
    assert label.name == "two"


def test_help_has_examples_and_the_default_state_file(workspace: Workspace) -> None:
    ended = workspace.ptool("--help")
    assert ended.status == 0
    assert "examples:\n  ptool pool0.cf --device /dev/loop2=root_fs\n" in ended.out
    assert "$XDG_STATE_HOME/ssiuml/pools.json" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 110
