"""Archives from files, pipes and standard input, also compressed: their tree, and what is refused."""

import errno
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import files, tools
from ssiuml.host.tools import HostTool
from ssiuml.images import tree_archive
from ssiuml.images.tree_archive import STANDARD_INPUT, tree_of_archive
from ssiuml.tree.layer import read_tree_archive
from ssiuml.tree.tree import Tree

MIB = 1 << 20
DATA = random.Random(15).randbytes(300_000)  # noqa: S311
# Each line writes the compressed archive to standard output. bsdtar fills its last block with zeros there.
COMPRESSORS = {
    "gzip": "gzip -c {}",
    "bzip2": "bzip2 -c {}",
    "xz": "xz -c {}",
    "lzma": "xz --format=lzma -c {}",
    "zstd": "zstd -qc {}",
    "lz4": "lz4 -qc {}",
    "bsdtar gzip": "bsdtar -czf - @{}",
    "bsdtar bzip2": "bsdtar -cjf - @{}",
    "bsdtar xz": "bsdtar -cJf - @{}",
    "bsdtar lz4": "bsdtar -c --lz4 -f - @{}",
    "bsdtar compress": "bsdtar -cZf - @{}",
    "bsdtar lzip": "bsdtar -c --lzip -f - @{}",
    "bsdtar lzop": "bsdtar -c --lzop -f - @{}",
    "bsdtar zstd": "bsdtar -c --zstd -f - @{}",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of GNU tar with a file of random bytes and one with zeros."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "random").write_bytes(DATA)
    (tmp_path / "in" / "zeros").write_bytes(bytes(5 * MIB) + b"end")
    subprocess.run(["tar", "-cf", tmp_path / "a.tar", "-C", tmp_path / "in", "."], check=True)
    return tmp_path / "a.tar"


def compressed(archive: Path, name: str) -> Path:
    """Return the archive as the program *name* compresses it; its own name tells nothing."""
    target = archive.parent / "packed"
    with target.open("wb") as stream:
        ended = subprocess.run(
            COMPRESSORS[name].format(archive).split(), stdout=stream, stderr=subprocess.PIPE, check=False
        )
    if ended.returncode:  # bsdtar runs lzop, which may be missing
        pytest.skip(f"{name}: cannot compress here: {ended.stderr.decode().strip()}")
    return target


def assert_holds_the_tree(source: Path) -> None:
    with tree_of_archive(source) as tree:
        assert tree.lookup("random").read() == DATA
        assert tree.lookup("zeros").read() == bytes(5 * MIB) + b"end"


def refusal(source: Path) -> SsiumlError:
    with pytest.raises(SsiumlError) as error, tree_of_archive(source):
        pass
    return error.value


@contextmanager
def piped(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have standard input be a pipe that gives *data*, its first byte alone."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as stream:
            stream.write(data[:1])
            stream.write(data[1:])

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading) as stream:
        monkeypatch.setattr(sys, "__stdin__", stream)
        yield
        writer.join()


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressed_archive_is_recognised_by_its_contents(archive: Path, name: str) -> None:
    assert_holds_the_tree(compressed(archive, name))


@pytest.mark.parametrize("name", ["gzip", "zstd", None])
def test_archive_comes_from_a_pipe(archive: Path, monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    source = archive if name is None else compressed(archive, name)
    with piped(source.read_bytes(), monkeypatch):
        assert_holds_the_tree(STANDARD_INPUT)
    with piped(source.read_bytes(), monkeypatch):
        assert_holds_the_tree(Path(f"/dev/fd/{sys.__stdin__.fileno()}"))  # type: ignore[union-attr]


def test_archive_comes_from_a_file_as_standard_input_from_where_that_stands(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted = archive.parent / "shifted"
    shifted.write_bytes(b"x" * 100 + archive.read_bytes())
    with shifted.open() as stream:
        os.lseek(stream.fileno(), 100, os.SEEK_SET)
        monkeypatch.setattr(sys, "__stdin__", stream)
        assert_holds_the_tree(STANDARD_INPUT)


def test_zeros_in_a_compressed_archive_take_no_room(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def read(path: Path, name: str) -> Tree:
        taken.append(files.allocated_bytes(path))
        return read_tree_archive(path, name)

    monkeypatch.setattr(tree_archive, "read_tree_archive", read)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert_holds_the_tree(compressed(archive, "gzip"))
    assert taken[0] < MIB
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "in", "packed"]


@pytest.mark.parametrize("name", ["BZh", "]", "LZIP", "\x1f\x9d"])
def test_first_member_may_have_the_name_of_a_format(tmp_path: Path, name: str) -> None:
    with tarfile.TarFile(tmp_path / "a.tar", "w") as opened:
        info = tarfile.TarInfo(name)
        info.size = 1
        opened.addfile(info, io.BytesIO(b"x"))
    with tree_of_archive(tmp_path / "a.tar") as tree:
        assert tree.lookup(name).read() == b"x"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gzip",
            "is damaged or not complete: Compressed file ended before the end-of-stream marker was reached",
        ),
        ("xz", "cannot be unpacked by xz: xz: (stdin): Unexpected end of input"),
        ("zstd", "cannot be unpacked by zstd: "),
        ("lz4", "cannot be unpacked by lz4: "),
    ],
)
def test_compressed_archive_that_is_cut_off_is_refused(archive: Path, name: str, message: str) -> None:
    packed = compressed(archive, name)
    os.truncate(packed, 200_000)
    error = refusal(packed)
    assert error.message.startswith(f"{packed}: {message}")
    assert error.hint == "make the archive again"


def test_missing_unpacker_is_named_with_its_package(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tools.UNPACKERS, "zstd", HostTool("no-such-zstd", "zstd", "unpack an archive"))
    packed = compressed(archive, "zstd")
    assert str(refusal(packed)) == (
        f"{packed}: is compressed by zstd, but no-such-zstd is missing on this machine\n"
        "  run sudo apt-get install --no-install-recommends zstd"
    )


def test_archive_without_room_for_its_contents_names_the_place(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = compressed(archive, "gzip")

    def open_full() -> IO[bytes]:
        return Path("/dev/full").open("r+b", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", open_full)
    assert str(refusal(packed)) == (
        f"{packed}: cannot be copied to {tempfile.gettempdir()}: No space left on device\n"
        "  make room there, or set TMPDIR to another place"
    )


def test_only_a_compressed_archive_needs_a_temporary_file(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = compressed(archive, "gzip")

    def fail() -> IO[bytes]:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    assert_holds_the_tree(archive)
    assert str(refusal(packed)) == (
        f"{packed}: no temporary file can be made: No usable temporary directory found in ['/tmp']\n"
        "  set TMPDIR to a folder that you may write to"
    )


def test_standard_input_without_an_archive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with piped(b"", monkeypatch):
        message = str(refusal(STANDARD_INPUT))
    assert message == "standard input: cannot be read as a tar archive: empty file"
    monkeypatch.setattr(sys, "__stdin__", None)
    error = refusal(STANDARD_INPUT)
    assert isinstance(error, UsageError)
    assert str(error) == "standard input: is closed\n  give an archive: mkfs_gfs -d - ... <FILE.tar"
    terminal, other = os.openpty()
    with os.fdopen(other) as stream:
        monkeypatch.setattr(sys, "__stdin__", stream)
        message = str(refusal(STANDARD_INPUT))
    os.close(terminal)
    assert message == "standard input: is a terminal\n  give an archive: tar -c DIR | mkfs_gfs -d - ..."


def test_archive_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    error = refusal(tmp_path / "absent")
    assert isinstance(error, UsageError)
    assert str(error) == f"{tmp_path}/absent: is not there\n  name a folder or a tar archive"
