"""Compressed files and archives: what the system's programs have made is unpacked, what is bad is refused."""

import io
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml import sparse
from ssiuml.compressed import UnpackError, decompress, unpack

MIB = 1 << 20
DATA = random.Random(1).randbytes(300_000) + bytes(3 * MIB) + b"end"  # noqa: S311


def by_program(data: bytes, *words: str) -> bytes:
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("program", ["bzip2", "gzip", "xz", "cat"])
def test_what_the_program_has_compressed_comes_out_with_holes_for_zeros(tmp_path: Path, program: str) -> None:
    (tmp_path / "in").write_bytes(by_program(DATA, program))
    decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")
    assert (tmp_path / "out").read_bytes() == DATA
    assert sparse.allocated_bytes(tmp_path / "out") < MIB


def test_bzip2_of_several_streams_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(by_program(b"one", "bzip2") + by_program(b"two", "bzip2"))
    decompress(tmp_path / "in", tmp_path / "out", MIB, "test")
    assert (tmp_path / "out").read_bytes() == b"onetwo"


def test_zeros_at_the_end_are_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(by_program(bytes(MIB), "bzip2"))
    decompress(tmp_path / "in", tmp_path / "out", MIB, "test")
    assert (tmp_path / "out").stat().st_size == MIB


@pytest.mark.parametrize("program", ["bzip2", "gzip", "xz"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "changed"])
def test_damage_is_told_and_nothing_is_left(tmp_path: Path, program: str, cut: bool) -> None:
    data = bytearray(by_program(DATA, program))
    if cut:
        del data[200_000:]
    else:
        data[100_000:100_010] = bytes(10)
    (tmp_path / "in").write_bytes(data)
    with pytest.raises(UnpackError, match=r"in: is damaged or not complete"):
        decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(by_program(bytes(100 * MIB), "bzip2"))
    with pytest.raises(UnpackError, match="has more than 10 MiB in it"):
        decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")


def archive(path: Path, *members: tarfile.TarInfo, data: bytes = b"") -> Path:
    with tarfile.open(path, "w:bz2") as tar:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_archive_of_gnu_tar_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "Makefile").write_text("all:\n")
    (tmp_path / "tools" / "run").write_text("#!/bin/sh\n")
    (tmp_path / "tools" / "run").chmod(0o755)
    (tmp_path / "tools" / "link").symlink_to("run")
    packed = by_program(b"", "tar", "-cjf", "-", "-C", str(tmp_path), "tools")
    (tmp_path / "a.tar.bz2").write_bytes(packed)
    unpack(tmp_path / "a.tar.bz2", tmp_path / "out", MIB)
    assert (
        subprocess.run(["diff", "-r", tmp_path / "tools", tmp_path / "out" / "tools"], check=False).returncode
        == 0
    )
    assert (tmp_path / "out" / "tools" / "run").stat().st_mode & 0o777 == 0o755


BAD: list[tuple[str, Callable[[Path], Path]]] = [
    ("outside", lambda path: archive(path, member("../x"))),
    ("outside", lambda path: archive(path, member("a/../../x"))),
    ("outside", lambda path: archive(path, member("link", tarfile.SYMTYPE, "../.."), member("link/x"))),
    ("absolute", lambda path: archive(path, member("link", tarfile.SYMTYPE, "/etc/passwd"))),
    ("special file", lambda path: archive(path, member("null", tarfile.CHRTYPE))),
    ("has more than 1 MiB", lambda path: archive(path, member("a"), data=bytes(2 * MIB))),
]


@pytest.mark.parametrize(("said", "make"), BAD, ids=range(len(BAD)))
def test_members_that_lead_out_are_refused_and_no_folder_appears(
    tmp_path: Path, said: str, make: Callable[[Path], Path]
) -> None:
    with pytest.raises(UnpackError, match=said):
        unpack(make(tmp_path / "a.tar.bz2"), tmp_path / "out", MIB)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.bz2"]


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(by_program(b"no archive", "bzip2"))
    with pytest.raises(UnpackError, match="is damaged or not complete"):
        unpack(tmp_path / "a", tmp_path / "out", MIB)
