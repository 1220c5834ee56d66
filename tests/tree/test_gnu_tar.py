"""Archives of folders: the bytes that GNU tar would write; tar and bsdtar find the same files in them."""

import os
import random
import subprocess
from pathlib import Path

import pytest
from files_on_disk import du_bytes, same_files, write_files, write_sparse
from programs import LIMIT_S, output_of

from ssiuml.errors import SsiumlError
from ssiuml.tree.gnu_tar import BLOCK_BYTES, write_folder
from ssiuml.units import GIB, MIB

EPOCH = 1_700_000_000
FILES = {
    "README": b"read me\n",
    "bin/tool": b"#!/bin/sh\n",
    "empty": b"",
    "a" * 92: b"thing-1/ and this are 100 bytes\n",
    "b" * 93: b"one more\n",
    "folder" * 16 + "/" + "c" * 200: b"a folder's name that becomes too long by its slash\n",
    "\u00fc" * 47: b"the 100th byte is the first half of a letter\n",
}


def _packed(folder: Path, target: Path) -> Path:
    with target.open("wb") as stream:
        write_folder(stream, folder, EPOCH)
    return target


def _tar(folder: Path, target: Path, *last: str) -> Path:
    """Have tar pack *folder*, the members *last* at the end."""
    names = sorted(str(path.relative_to(folder.parent)) for path in [folder, *folder.rglob("*")])
    names = [*(name for name in names if name not in last), *last]
    subprocess.run(
        [
            *("tar", "--create", "--format=gnu", "--sparse", "--hole-detection=raw", "--no-recursion"),
            *(f"--mtime=@{EPOCH}", "--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,u+w,go-w,a-st"),
            *(f"--file={target}", f"--directory={folder.parent}", "--null", "--files-from=-"),
        ],
        input=b"".join(os.fsencode(name) + b"\0" for name in names),
        check=True,
        timeout=LIMIT_S,
    )
    return target


def _sparse(path: Path, seed: int, blocks: int) -> Path:
    """Make a file of blocks of zeros, some of them allocated, and of data that have zeros at both ends."""
    random_ = random.Random(seed)  # noqa: S311 - any pattern
    pieces = []
    for at in range(8, blocks):
        begin = at * BLOCK_BYTES + random_.choice((0, 0, 1, 300, 511))
        match random_.randrange(8):
            case 0 | 1:
                pieces.append((begin, random_.randbytes(random_.randrange(1, 2000))))
            case 2:
                pieces.append((begin, bytes(random_.randrange(1, 6000))))
    return write_sparse(path, blocks * BLOCK_BYTES + random_.choice((0, 1, 511)), *pieces)


def test_names_modes_and_links_have_the_bytes_of_gnu_tar(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "thing-1", FILES, 0o666)
    (folder / "link").symlink_to("README")
    (folder / "long link").symlink_to("x" * 101)
    (folder / "empty").chmod(0o4701)
    folder.chmod(0o1700)
    ours, theirs = _packed(folder, tmp_path / "ours"), _tar(folder, tmp_path / "theirs")
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("blocks", [9, 30, 60, 120, 3000])
@pytest.mark.parametrize("seed", range(5))
def test_sparse_files_have_the_bytes_of_gnu_tar(tmp_path: Path, blocks: int, seed: int) -> None:
    # Some have few pieces, which fit into the header; others fill several blocks of a map, one just so.
    folder = tmp_path / "thing-1"
    folder.mkdir()
    _sparse(folder / "root_fs", seed, blocks)
    ours, theirs = _packed(folder, tmp_path / "ours"), _tar(folder, tmp_path / "theirs")
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 24, 25, 26, 46, 47])
def test_a_map_of_any_length_has_the_bytes_of_gnu_tar(tmp_path: Path, count: int) -> None:
    for name, end in (("data", 1), ("a hole", 0)):  # at the end of the file
        folder = tmp_path / name / "thing-1"
        folder.mkdir(parents=True)
        pieces = [((2 * at + 1) * 8192 - 100, b"x" * 200) for at in range(count)]
        write_sparse(folder / "root_fs", pieces[-1][0] + 200 + (1 - end) * 50_000, *pieces)
        ours, theirs = _packed(folder, tmp_path / "ours"), _tar(folder, tmp_path / "theirs")
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_file_that_is_one_hole_has_the_bytes_of_gnu_tar(tmp_path: Path) -> None:
    folder = tmp_path / "thing-1"
    folder.mkdir()
    write_sparse(folder / "hole", 5 * MIB + 7)
    ours, theirs = _packed(folder, tmp_path / "ours"), _tar(folder, tmp_path / "theirs")
    assert ours.read_bytes() == theirs.read_bytes()


def test_sparse_files_come_last(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "thing-1", FILES)
    _sparse(folder / "a", 1, 50)
    write_sparse(folder / "c", 10_000, (0, b"x" * 4096), (9_999, b"x"))
    (folder / "almost").write_bytes(b"x" + bytes(8190) + b"x")  # less than an aligned block of zeros
    theirs = _tar(folder, tmp_path / "theirs", "thing-1/a", "thing-1/c")
    assert _packed(folder, tmp_path / "ours").read_bytes() == theirs.read_bytes()


def test_allocated_zeros_become_holes_and_stay_as_they_are_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "thing-1"
    folder.mkdir()
    _sparse(folder / "root_fs", 3, 3000)
    theirs = _tar(folder, tmp_path / "theirs")
    full = tmp_path / "full"
    output_of("cp", "--sparse=never", folder / "root_fs", full)
    full.replace(folder / "root_fs")
    before = du_bytes(folder / "root_fs")
    assert before >= 3000 * BLOCK_BYTES
    assert _packed(folder, tmp_path / "ours").read_bytes() == theirs.read_bytes()
    assert du_bytes(folder / "root_fs") == before


def test_tar_and_bsdtar_find_the_same_files(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "thing-1", FILES)
    _sparse(folder / "root_fs", 4, 3000)
    archive = _packed(folder, tmp_path / "archive")
    said = subprocess.run(
        ["tar", "--compare", f"--directory={tmp_path}", f"--file={archive}"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    # Every member has the archive's time, and on some machines the folder does not belong to root.
    assert "Mod time differs" in said.stdout
    assert "Contents differ" not in said.stdout
    assert "Size differs" not in said.stdout
    assert not said.stderr
    for program in ("tar", "bsdtar"):
        back = tmp_path / program
        back.mkdir()
        output_of(program, "-x", "-f", archive, "-C", back)
        assert same_files(back / "thing-1", folder)


def test_a_file_of_more_than_8_gib_keeps_its_size_and_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "thing-1"
    folder.mkdir()
    write_sparse(folder / "root_fs", 9 * GIB + 1, (0, b"start"), (9 * GIB - 1, b"x"))
    archive = _packed(folder, tmp_path / "archive")
    assert archive.stat().st_size < MIB
    for program in ("tar", "bsdtar"):
        back = tmp_path / program
        back.mkdir()
        output_of(program, "-x", "-f", archive, "-C", back)
        with (back / "thing-1" / "root_fs").open("rb") as stream:
            assert stream.seek(0, os.SEEK_END) == 9 * GIB + 1
            stream.seek(9 * GIB - 2)
            assert stream.read() == b"\0x\0"


def test_what_no_release_has_is_an_error_by_name(tmp_path: Path) -> None:
    os.mkfifo(write_files(tmp_path / "thing-1", FILES) / "pipe")
    with pytest.raises(SsiumlError, match="thing-1/pipe: is no file"):
        _packed(tmp_path / "thing-1", tmp_path / "archive")
