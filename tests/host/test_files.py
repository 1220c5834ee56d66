"""Files replaced in one step, also when the writer is killed; sparse files, judged by du and cmp."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from files_on_disk import write_sparse
from processes import ended_pid

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.host.files import allocated_bytes, part_of, replacing, require_space, write_text

MIB = 2**20
MEMORY = Path("/dev/shm")  # noqa: S108  # a tmpfs: a file system of another type than the disk's
KILLED_WRITER = """
import os, pathlib, signal, sys
from ssiuml.host.files import replacing
with replacing(pathlib.Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _du_bytes(path: Path) -> int:
    return int(subprocess.run(["du", "-B1", path], capture_output=True, check=True).stdout.split()[0])


def _same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", one, other], capture_output=True).returncode == 0


def _data_ranges(path: Path) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    with path.open("rb") as stream, suppress(OSError):  # ENXIO: no data up to the end
        while True:
            start = os.lseek(stream.fileno(), ranges[-1][1] if ranges else 0, os.SEEK_DATA)
            ranges.append((start, os.lseek(stream.fileno(), start, os.SEEK_HOLE)))
    return ranges


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of another type than that of tmp_path."""

    def kind(path: Path) -> str:
        words = ["stat", "--file-system", "--format=%T", str(path)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    if not os.access(MEMORY, os.W_OK) or kind(MEMORY) == kind(tmp_path):
        pytest.skip(f"{MEMORY} is no file system of another type than {tmp_path}")
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


def test_target_gets_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with replacing(target) as part:
        part.write_bytes(b"new")
        assert part == part_of(target) == tmp_path / ".target.part"
        assert not target.exists()
    assert _names(tmp_path) == ["target"]
    assert target.read_bytes() == b"new"


def test_old_target_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with replacing(target) as part:
        part.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_target_unchanged_and_no_other_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")

    def write_half() -> None:
        with replacing(target) as part:
            part.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert _names(tmp_path) == ["target"]
    assert target.read_bytes() == b"old"


def test_killed_writer_leaves_the_old_target_and_the_next_writer_removes_its_part(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, target])
    assert done.returncode == -signal.SIGKILL
    assert (target.read_bytes(), part_of(target).read_bytes()) == (b"old", b"half")
    with replacing(target) as part:
        assert not part.exists()
        part.write_bytes(b"new")
    assert _names(tmp_path) == ["target"]
    assert target.read_bytes() == b"new"


def test_folders_above_the_target_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c", "text")
    assert (tmp_path / "a" / "b" / "c").read_text() == "text"


def test_target_gets_the_mode_of_the_part(tmp_path: Path) -> None:
    with replacing(tmp_path / "program") as part:
        part.write_bytes(b"#!/bin/sh\n")
        part.chmod(0o755)
    assert (tmp_path / "program").stat().st_mode & 0o7777 == 0o755


def test_writer_that_wrote_nothing_is_an_error_and_the_target_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "target"):
        pass
    assert (tmp_path / "target").read_bytes() == b"old"


def test_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "target", "text")
    assert _names(tmp_path) == ["target"]


def test_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "target").symlink_to("elsewhere")
    write_text(tmp_path / "target", "new")
    assert not (tmp_path / "target").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "old"


def test_text_is_written_as_utf8_in_any_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    write_text(tmp_path / "text", "ä\n")
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\n"


def test_fresh_file_is_one_hole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "blank"
    files.create(path, 4 << 30)
    assert path.stat().st_size == 4 << 30
    assert _du_bytes(path) == allocated_bytes(path) == 0
    assert _data_ranges(path) == []


def test_fresh_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "blank", 10, (0, b"old"))
    files.create(path, 5)
    assert path.read_bytes() == bytes(5)


@pytest.mark.parametrize("reflink", [True, False])
@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (0, []),
        (1, [(0, b"x")]),
        (3 * MIB, []),
        (3 * MIB, [(0, b"first" * 4000)]),
        (3 * MIB + 5, [(MIB, b"middle" * 4000), (2 * MIB + 17, b"x")]),
        (3 * MIB + 5, [(3 * MIB, b"last!")]),
        (2 * MIB, [(0, os.urandom(2 * MIB))]),
    ],
)
def test_copy_is_equal_and_keeps_its_holes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    pieces: list[tuple[int, bytes]],
    reflink: bool,
) -> None:
    if not reflink:

        def refuse(*_: object) -> None:
            raise OSError(errno.EOPNOTSUPP, "no reflinks here")

        monkeypatch.setattr(fcntl, "ioctl", refuse)
    source = write_sparse(tmp_path / "source", size, *pieces)
    files.copy(source, tmp_path / "target")
    assert _same(source, tmp_path / "target")
    assert _du_bytes(tmp_path / "target") <= _du_bytes(source)
    assert _data_ranges(tmp_path / "target") == _data_ranges(source)


def test_copy_goes_to_a_file_system_of_another_type_and_back(tmp_path: Path, elsewhere: Path) -> None:
    source = write_sparse(tmp_path / "source", 8 * MIB, (MIB, os.urandom(MIB)), (5 * MIB + 1, b"x"))
    files.copy(source, elsewhere / "there")
    files.copy(elsewhere / "there", tmp_path / "back")
    assert _same(source, elsewhere / "there")
    assert _same(source, tmp_path / "back")
    assert max(_du_bytes(elsewhere / "there"), _du_bytes(tmp_path / "back")) < 2 * MIB


def test_copy_of_a_missing_file_leaves_the_target_unchanged(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        files.copy(tmp_path / "missing", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_bytes() == b"old"


def test_other_errors_of_the_copy_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    source = write_sparse(tmp_path / "source", 5)
    with pytest.raises(OSError, match="the disk is broken"):
        files.copy(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_file_that_becomes_shorter_while_it_is_copied_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_sparse(tmp_path / "source", MIB, (0, os.urandom(MIB)))

    def shorten(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no reflinks here")

    def sendfile(target: int, origin: int, offset: int, count: int) -> int:
        os.truncate(source, 0)
        return original(target, origin, offset, count)

    original = os.sendfile
    monkeypatch.setattr(fcntl, "ioctl", shorten)
    monkeypatch.setattr(os, "sendfile", sendfile)
    with pytest.raises(OSError, match="the file became shorter while it was copied, at byte 0"):
        files.copy(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_require_space_makes_the_folder_if_there_is_enough_room(tmp_path: Path) -> None:
    require_space(tmp_path / "a" / "b", 4096, "a test")
    assert (tmp_path / "a" / "b").is_dir()


def test_too_little_room_is_an_error_with_the_need_and_the_free_space(tmp_path: Path) -> None:
    df = ["df", "--output=avail", "-B1M", str(tmp_path)]
    free = int(subprocess.run(df, capture_output=True, check=True).stdout.split()[-1])
    with pytest.raises(SsiumlError, match="unpacking needs about") as error:
        require_space(tmp_path, 1 << 60, "unpacking")
    message, hint = str(error.value).splitlines()
    said = message.removeprefix(f"{tmp_path}: unpacking needs about 1099511627776 MiB, ")
    assert said.endswith(" MiB are free there")
    assert abs(int(said.split()[0]) - free) < 1024  # others write to the same disk
    assert hint.startswith("  make room there, or set SSIUML_CACHE")


def test_a_file_that_is_too_large_for_its_file_system_is_an_error_with_the_size(tmp_path: Path) -> None:
    create = (
        "import sys, pathlib\nfrom ssiuml.errors import SsiumlError\nfrom ssiuml.host.files import create\n"
        "try:\n    create(pathlib.Path(sys.argv[1]), 1 << 40)\n"
        "except SsiumlError as error:\n    print(error)\n"
    )
    limited = ["prlimit", "--fsize=1073741824", "--", sys.executable, "-c", create, f"{tmp_path}/blank"]
    said = subprocess.run(limited, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == (
        f"{tmp_path / 'blank'}: the file system there has no files as large as 1 TiB\n"
        "  make it smaller, or work on another file system, such as XFS\n"
    )
    assert _names(tmp_path) == []


def test_write_text_removes_what_killed_writers_have_left_and_nothing_else(tmp_path: Path) -> None:
    killed = "import os, sys, pathlib\nfrom ssiuml.host import files\n"
    killed += "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
    killed += "files.write_text(pathlib.Path(sys.argv[1]), 'half')\n"
    target = tmp_path / "base.json"
    for _ in range(2):
        ended = subprocess.run([sys.executable, "-c", killed, target], check=False, timeout=60)
        assert ended.returncode == -signal.SIGKILL
    assert len(_names(tmp_path)) == 2
    living = tmp_path / f".base.json.{os.getppid()}.part"
    other = tmp_path / f".base.json.x.{ended_pid()}.part"
    for path in (living, other):
        path.touch()
    write_text(target, "whole")
    assert _names(tmp_path) == sorted(["base.json", living.name])
    assert target.read_text() == "whole"
