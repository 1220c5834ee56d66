"""ptool: the HOWTO's two pools, and whatever a user can get wrong."""

import errno
import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from project import GOLDEN

from ssiuml.cli import ptool
from ssiuml.formats.pool.assembly import read_state
from ssiuml.formats.pool.label import PoolLabel, read_label
from ssiuml.host import files as sparse
from ssiuml.host.run import find_tool

MIB = 1 << 20
TWO = "poolname two\nsubpools 1\nsubpool 0 16 2 gfs_data\npooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\n"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "pools.json"
        self.config = folder / "two.cf"
        self.config.write_text(TWO)
        self.a, self.b = self.blank("a"), self.blank("b")

    def blank(self, name: str, size_bytes: int = MIB) -> Path:
        path = self.folder / name
        sparse.create(path, size_bytes)
        return path

    def ptool(self, *words: str | Path) -> Outcome:
        return call_command(ptool.main, "--state", self.state, *words)

    def two(self, *words: str | Path, a: Path | None = None, b: Path | None = None) -> Outcome:
        files = ("--device", f"/dev/a={a or self.a}", "--device", f"/dev/b={b or self.b}")
        return self.ptool(self.config, *files, *words)

    def label(self, path: Path) -> PoolLabel | None:
        return read_label(path.read_bytes()[:512])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_howtos_root_file_becomes_its_pool(bench: Bench) -> None:
    root_fs = bench.blank("root_fs", 2 << 30)
    ended = bench.ptool(GOLDEN / "pool0.cf", "--device", f"/dev/loop2={root_fs}")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "pool0: 1 device labelled, 2097144 KiB usable\n"
    with root_fs.open("rb") as stream:
        label = read_label(stream.read(512))
        assert not any(stream.read(MIB))
    assert label is not None
    assert (label.name, label.pl_blocks) == ("pool0", (2 << 21) - 16)
    assert root_fs.stat().st_size == 2 << 30
    assert sparse.allocated_bytes(root_fs) <= 64 << 10
    assert read_state(bench.state).devices == {"/dev/loop2": str(root_fs)}


def test_every_device_of_a_pool_gets_its_own_label_and_keeps_what_lies_behind_it(bench: Bench) -> None:
    for path in (bench.a, bench.b):
        with path.open("r+b") as stream:
            stream.seek(8192)
            stream.write(path.name.encode() * 1000)
    assert bench.two().status == 0
    for index, path in enumerate((bench.a, bench.b)):
        label = bench.label(path)
        assert label is not None
        assert (label.name, label.pl_sp_devid, label.pl_sp_devs) == ("two", index, 2)
        assert path.read_bytes()[512:9192] == bytes(8192 - 512) + path.name.encode() * 1000


def test_labelling_a_pool_again_gives_the_same_bytes(bench: Bench) -> None:
    assert bench.two().status == 0
    before = bench.a.read_bytes()
    assert bench.two().status == 0
    assert bench.a.read_bytes() == before


def test_the_label_of_another_pool_is_only_replaced_by_force(bench: Bench) -> None:
    assert bench.two().status == 0
    other = bench.folder / "other.cf"
    other.write_text("poolname other\nsubpools 1\nsubpool 0 0 1 gfs_data\npooldevice 0 0 /dev/x\n")
    words = (other, "--device", f"/dev/x={bench.b}")
    ended = bench.ptool(*words)
    assert ended.status == 1
    assert f"{bench.b} (/dev/x): has the label of the pool two already\n  --force" in ended.err
    label = bench.label(bench.b)
    assert label is not None
    assert label.name == "two"
    assert bench.ptool("--force", *words).status == 0
    label = bench.label(bench.b)
    assert label is not None
    assert label.name == "other"


def test_something_unknown_is_only_overwritten_by_force_and_no_device_is_labelled_then(bench: Bench) -> None:
    with bench.b.open("r+b") as stream:
        stream.seek(1080)
        stream.write(b"\x53\xef")  # where ext2 has its magic
    ended = bench.two()
    assert ended.status == 1
    assert "(/dev/b): is not empty, there is something unknown" in ended.err
    assert bench.label(bench.a) is None
    assert bench.two("--force").status == 0


def test_when_a_label_cannot_be_written_the_other_devices_get_back_what_they_had(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.a.write_bytes(b"old" * 10_000)
    bench.b.write_bytes(bytes(MIB))
    full, write = bench.b.stat().st_ino, os.pwrite

    def write_until_full(number: int, data: bytes, offset_bytes: int) -> int:
        if os.fstat(number).st_ino == full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(number, data, offset_bytes)

    monkeypatch.setattr(os, "pwrite", write_until_full)
    ended = bench.two("--force")
    assert ended.status == 1
    assert f"{bench.b}: cannot be written at byte 0: No space left on device" in ended.err
    assert bench.a.read_bytes() == b"old" * 10_000


def test_a_device_that_is_not_there_is_an_error_with_line_and_way_out(bench: Bench) -> None:
    ended = bench.ptool(bench.config, "--device", f"/dev/a={bench.a}")
    assert ended.status == 2
    assert ended.err == (
        f"error: {bench.config}:5: /dev/b: is not there\n  --device /dev/b=FILE says which file it is\n"
    )


def test_two_devices_that_are_one_file_are_an_error(bench: Bench) -> None:
    link = bench.folder / "link"
    link.symlink_to(bench.a)
    ended = bench.two(b=link)
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
def test_a_wrong_device_option_is_a_wrong_call(bench: Bench, words: list[str], message: str) -> None:
    ended = bench.ptool(bench.config, *words)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {message}")


def test_a_file_without_any_right_to_write_is_left_alone_also_by_root(bench: Bench) -> None:
    bench.b.chmod(0o444)
    ended = bench.two()
    assert ended.status == 1
    assert f"two.cf:5: {bench.b}: is read-only, its mode is 0444\n  chmod u+w" in ended.err
    assert bench.label(bench.a) is None


def test_a_folder_is_no_device(bench: Bench) -> None:
    ended = bench.two(b=bench.folder)
    assert ended.status == 2
    assert "is neither a file nor a block device" in ended.err


def test_an_image_that_another_process_has_locked_is_in_use(bench: Bench) -> None:
    # As User-Mode Linux locks its disks. A child has to do it: locks never keep out their own process.
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        fd = os.open(bench.a, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    ended = bench.two()
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    for fd in (*ready, *done):
        os.close(fd)
    assert ended.status == 1
    assert f"{bench.a}: is in use, another process has locked it" in ended.err
    assert bench.two().status == 0


def test_an_image_that_is_attached_to_a_loop_device_is_in_use_but_the_loop_device_is_not(
    bench: Bench,
) -> None:
    losetup = find_tool("losetup")
    if os.geteuid() != 0 or losetup is None:
        pytest.skip("loop devices are for root")
    made = subprocess.run([losetup, "-f", "--show", bench.a], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    loop = made.stdout.strip()
    try:
        ended = bench.two()
        assert ended.status == 1
        assert f"{bench.a}: is in use, attached to {loop}\n" in ended.err
        assert bench.two(a=Path(loop)).status == 0
    finally:
        subprocess.run([losetup, "-d", loop], check=True)
    label = bench.label(bench.a)
    assert label is not None
    assert label.name == "two"


def test_help_says_what_it_does_with_examples_and_the_default_place_of_its_state(bench: Bench) -> None:
    ended = bench.ptool("--help")
    assert ended.status == 0
    assert "examples:\n  ptool pool0.cf --device /dev/loop2=root_fs\n" in ended.out
    assert "$XDG_STATE_HOME/ssiuml/pools.json" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 110
