"""Compressed files: what the system's programs have made is unpacked, what is bad is refused."""

import random
import subprocess
from pathlib import Path

import pytest

from ssiuml.host import files
from ssiuml.tree.compressed import UnpackError, decompress

MIB = 1 << 20
DATA = random.Random(1).randbytes(300_000) + bytes(3 * MIB) + b"end"  # noqa: S311


def by_program(data: bytes, *words: str) -> bytes:
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("program", ["bzip2", "gzip", "xz", "cat"])
def test_what_the_program_has_compressed_comes_out_with_holes_for_zeros(tmp_path: Path, program: str) -> None:
    (tmp_path / "in").write_bytes(by_program(DATA, program))
    decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")
    assert (tmp_path / "out").read_bytes() == DATA
    assert files.allocated_bytes(tmp_path / "out") < MIB


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
