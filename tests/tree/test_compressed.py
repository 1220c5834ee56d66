"""Files that bzip2, gzip and xz compressed are unpacked; damaged and too large ones are refused."""

import random
import subprocess
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.tree.compressed import decompress

MIB = 1 << 20
DATA = random.Random(1).randbytes(300_000) + bytes(3 * MIB) + b"end"  # noqa: S311


def output_of(data: bytes, *words: str) -> bytes:
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("program", ["bzip2", "gzip", "xz", "cat"])
def test_file_that_a_program_compressed_is_unpacked_with_holes_for_zeros(
    tmp_path: Path, program: str
) -> None:
    (tmp_path / "in").write_bytes(output_of(DATA, program))
    decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")
    assert (tmp_path / "out").read_bytes() == DATA
    assert files.allocated_bytes(tmp_path / "out") < MIB


def test_bzip2_of_several_streams_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(output_of(b"one", "bzip2") + output_of(b"two", "bzip2"))
    decompress(tmp_path / "in", tmp_path / "out", MIB, "test")
    assert (tmp_path / "out").read_bytes() == b"onetwo"


def test_zeros_at_the_end_are_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(output_of(bytes(MIB), "bzip2"))
    decompress(tmp_path / "in", tmp_path / "out", MIB, "test")
    assert (tmp_path / "out").stat().st_size == MIB


@pytest.mark.parametrize("program", ["bzip2", "gzip", "xz"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "changed"])
def test_damage_is_an_error_and_leaves_no_file(tmp_path: Path, program: str, cut: bool) -> None:
    data = bytearray(output_of(DATA, program))
    if cut:
        del data[200_000:]
    else:
        data[100_000:100_010] = bytes(10)
    (tmp_path / "in").write_bytes(data)
    with pytest.raises(SsiumlError, match=r"in: is damaged or not complete"):
        decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_file_with_more_than_the_limit_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(output_of(bytes(100 * MIB), "bzip2"))
    with pytest.raises(SsiumlError, match="has more than 10 MiB in it"):
        decompress(tmp_path / "in", tmp_path / "out", 10 * MIB, "test")
