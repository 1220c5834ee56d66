"""cpio archives, listed and unpacked by GNU cpio. tests/layers/test_initrd.py tests segments of RAM disks."""

import io
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.errors import SsiumlError
from ssiuml.tree.cpio import write_archive
from ssiuml.tree.tree import Kind, Literal, Meta, Node, directory, file, symlink

TOO_MANY = "too many for a cpio archive, at most 4294967295"
OVER = "owner, group or time is over 4294967295, which a cpio archive cannot hold"


@dataclass(frozen=True)
class _Claim:
    """Contents of a given size that must not be read."""

    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        raise AssertionError("must not be read")


def _archive(*entries: tuple[str, Node]) -> bytes:
    stream = io.BytesIO()
    write_archive(stream, entries)
    return stream.getvalue()


def _cpio(archive: bytes, *options: str, folder: Path | None = None) -> bytes:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    words = ["cpio", "--quiet", *options]
    result = subprocess.run(words, input=archive, capture_output=True, cwd=folder, env=environment)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout


def _file(data: bytes = b"", meta: Meta | None = None) -> Node:
    return file(Literal(data), meta or Meta(mode=0o644))


def test_gnu_cpio_lists_the_metadata_of_every_kind_of_inode() -> None:
    archive = _archive(
        ("bin", directory(Meta(mode=0o1755, uid=7, gid=8, mtime_ns=1_704_067_200_999_999_999))),
        ("bin/sh", symlink("busybox", Meta(mode=0o777))),
        ("bin/busybox", _file(b"hello", Meta(mode=0o4755, uid=2**32 - 2, mtime_ns=-1))),
        ("console", Node(Kind.CHARACTER, Meta(mode=0o600), device=(5, 1))),
        ("ubda", Node(Kind.BLOCK, Meta(mode=0o660), device=(98, 1_048_575))),
        ("fifo", Node(Kind.FIFO, Meta(mode=0o622))),
    )
    lines = _cpio(archive, "-tv", "--numeric-uid-gid").decode().splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "drwxr-xr-t 1 7 8 0 Jan 1 2024 bin",
        "lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin/sh -> busybox",
        "-rwsr-xr-x 1 4294967294 0 5 Jan 1 1970 bin/busybox",
        "crw------- 1 0 0 5, 1 Jan 1 1970 console",
        "brw-rw---- 1 0 0 98, 1048575 Jan 1 1970 ubda",
        "prw--w--w- 1 0 0 0 Jan 1 1970 fifo",
    ]


@pytest.mark.parametrize("size", range(6))
def test_gnu_cpio_unpacks_names_and_contents_with_every_padding(tmp_path: Path, size: int) -> None:
    names = ["n" * length for length in range(1, 6)]
    _cpio(_archive(*((name, _file(b"x" * size)) for name in names)), "-i", folder=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(names, b"x" * size)


@pytest.mark.parametrize("length", range(1, 6))
def test_gnu_cpio_unpacks_link_targets_with_every_padding(tmp_path: Path, length: int) -> None:
    _cpio(_archive(("link", symlink("t" * length)), ("after", _file(b"x"))), "-i", folder=tmp_path)
    assert str((tmp_path / "link").readlink()) == "t" * length
    assert (tmp_path / "after").read_bytes() == b"x"


def test_archive_has_the_bytes_of_an_archive_of_gnu_cpio(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    (tmp_path / "file").chmod(0o640)
    os.utime(tmp_path / "file", ns=(0, 1_704_067_200_123_456_789))
    (tmp_path / "link").symlink_to("file")
    words = ["--reproducible", "--create", "--format=newc", "--owner=+0:+0", "--renumber-inodes"]
    theirs = _cpio(b"file\nlink\n", *words, folder=tmp_path)
    link_ns = (tmp_path / "link").lstat().st_mtime_ns
    ours = _archive(
        ("file", _file(b"hello", Meta(mode=0o640, mtime_ns=1_704_067_200_123_456_789))),
        ("link", symlink("file", Meta(mode=0o777, mtime_ns=link_ns))),
    )
    # GNU cpio counts inodes from 0 and pads the archive to whole blocks.
    ours, theirs = (re.sub(rb"(070701)[0-9A-F]{8}", rb"\1", archive) for archive in (ours, theirs))
    assert theirs[: len(ours)] == ours
    assert not any(theirs[len(ours) :])


_NAMES = st.binary(min_size=1, max_size=200).map(
    lambda name: os.fsdecode(name.replace(b"\0", b"\n").replace(b"/", b"\xff"))
)


@given(
    st.dictionaries(_NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=9), max_size=6)
)
@settings(max_examples=40, deadline=None)
def test_gnu_cpio_unpacks_any_name_unchanged(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _cpio(_archive(*((name, _file(data)) for name, data in files.items())), "-i", folder=folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_hard_links_become_copies_that_all_have_the_contents(tmp_path: Path) -> None:
    shared = _file(b"hello")
    _cpio(_archive(("a", shared), ("b", shared)), "-i", folder=tmp_path)
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"hello", b"hello"]


def test_archive_without_entries_is_a_trailer() -> None:
    assert _cpio(_archive(), "-t") == b""
    assert len(_archive()) == 124


def test_every_archive_ends_aligned_so_that_another_may_follow() -> None:
    for size in range(5):
        assert len(_archive(("n" * (size + 1), _file(b"x" * size)))) % 4 == 0


@pytest.mark.parametrize(
    ("name", "node", "problem"),
    [
        ("big", file(_Claim(2**32), Meta(mode=0)), f"4294967296 bytes are {TOO_MANY}"),
        ("TRAILER!!!", _file(), "a file of this name would end the archive"),
        ("uid", _file(meta=Meta(mode=0, uid=2**32)), OVER),
        ("gid", _file(meta=Meta(mode=0, gid=2**32)), OVER),
        ("time", _file(meta=Meta(mode=0, mtime_ns=2**32 * 10**9)), OVER),
        ("n" * 4096, _file(), "the name is longer than the kernel unpacks, 4095 bytes"),
    ],
)
def test_files_that_the_format_cannot_hold_are_refused(name: str, node: Node, problem: str) -> None:
    with pytest.raises(SsiumlError) as error:
        _archive((name, node))
    assert str(error.value) == f"/{name}: {problem}"


def test_largest_values_of_the_fields_are_kept() -> None:
    meta = Meta(mode=0o7777, uid=2**32 - 1, gid=2**32 - 1, mtime_ns=(2**32 - 1) * 10**9)
    archive = _archive((f"{'n' * 200}/" * 20 + "n" * 75, _file(b"", meta)))
    fields = [archive[6 + 8 * number : 14 + 8 * number] for number in range(13)]
    assert fields[1:6] == [b"00008FFF", b"F" * 8, b"F" * 8, b"00000001", b"F" * 8]
    assert int(fields[11], 16) == 4096
