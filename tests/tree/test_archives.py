"""Source archives of GNU tar are unpacked; members that lead out of the folder are refused."""

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.tree.archives import unpack

MIB = 1 << 20


def output_of(data: bytes, *words: str) -> bytes:
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


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
    packed = output_of(b"", "tar", "-cjf", "-", "-C", str(tmp_path), "tools")
    (tmp_path / "a.tar.bz2").write_bytes(packed)
    unpack(tmp_path / "a.tar.bz2", tmp_path / "out", MIB)
    assert (
        subprocess.run(["diff", "-r", tmp_path / "tools", tmp_path / "out" / "tools"], check=False).returncode
        == 0
    )
    assert (tmp_path / "out" / "tools" / "run").stat().st_mode & 0o777 == 0o755


BAD: list[tuple[str, Callable[[Path], Path]]] = [
    ("'../x' has the path '../x', in which '..' and NUL", lambda path: archive(path, member("../x"))),
    ("in which '..' and NUL are not allowed", lambda path: archive(path, member("a/../../x"))),
    ("absolute path '/x'", lambda path: archive(path, member("/x"))),
    ("may lead outside", lambda path: archive(path, member("a/link", tarfile.SYMTYPE, "../../x"))),
    ("may lead outside", lambda path: archive(path, member("link", tarfile.SYMTYPE, "x/../../y"))),
    ("is outside", lambda path: archive(path, member("link", tarfile.SYMTYPE, "/etc/passwd"))),
    ("lies behind 'l'", lambda path: archive(path, member("l", tarfile.SYMTYPE, "."), member("l/x"))),
    ("no file before it has that name", lambda path: archive(path, member("l", tarfile.LNKTYPE, "x"))),
    ("only files, folders and links", lambda path: archive(path, member("null", tarfile.CHRTYPE))),
    ("all members have more than 1 MiB", lambda path: archive(path, member("a"), data=bytes(2 * MIB))),
]


@pytest.mark.parametrize(("message", "make"), BAD, ids=range(len(BAD)))
def test_members_that_lead_out_are_refused_and_no_folder_appears(
    tmp_path: Path, message: str, make: Callable[[Path], Path]
) -> None:
    with pytest.raises(SsiumlError, match=message):
        unpack(make(tmp_path / "a.tar.bz2"), tmp_path / "out", MIB)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.bz2"]


def test_file_that_is_no_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(output_of(b"no archive", "bzip2"))
    with pytest.raises(SsiumlError, match="cannot be read as a tar archive"):
        unpack(tmp_path / "a", tmp_path / "out", MIB)


def test_archive_that_is_cut_off_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    data = archive(tmp_path / "whole", member("a"), data=os.urandom(100_000)).read_bytes()
    (tmp_path / "a").write_bytes(data[:50_000])
    with pytest.raises(SsiumlError, match="is damaged or not complete"):
        unpack(tmp_path / "a", tmp_path / "out", MIB)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "whole"}


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_sparse_files_of_gnu_tar_keep_their_holes(tmp_path: Path, form: str) -> None:
    source = tmp_path / "root_fs"
    with source.open("wb") as stream:
        stream.write(b"begin")
        stream.seek(50 * MIB)
        stream.write(b"end")
    words = ("tar", "-cjSf", "-", f"--format={form}", "-C", str(tmp_path), "root_fs")
    (tmp_path / "a").write_bytes(output_of(b"", *words))
    unpack(tmp_path / "a", tmp_path / "out", 100 * MIB)
    assert subprocess.run(["cmp", source, tmp_path / "out" / "root_fs"], check=False).returncode == 0
    assert files.allocated_bytes(tmp_path / "out" / "root_fs") < MIB


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_sparse_file_keeps_a_name_that_has_no_room_in_the_header(tmp_path: Path, version: str) -> None:
    (tmp_path / "ü").write_bytes(bytes(MIB) + b"x")
    os.truncate(tmp_path / "ü", 2 * MIB)
    words = ["tar", "--sparse", "--hole-detection=raw", "--format=posix", f"--sparse-version={version}"]
    (tmp_path / "a.tar").write_bytes(output_of(b"", *words, "-cf", "-", "-C", str(tmp_path), "ü"))
    unpack(tmp_path / "a.tar", tmp_path / "out", 3 * MIB)
    assert (tmp_path / "out" / "ü").read_bytes() == (tmp_path / "ü").read_bytes()


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_volume_label_is_not_unpacked(tmp_path: Path, form: str) -> None:
    (tmp_path / "x").write_bytes(b"x")
    words = ["tar", f"--format={form}", "--label=label", "-cf", "-", "-C", str(tmp_path), "x"]
    (tmp_path / "a.tar").write_bytes(output_of(b"", *words))
    unpack(tmp_path / "a.tar", tmp_path / "out", MIB)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x"]
