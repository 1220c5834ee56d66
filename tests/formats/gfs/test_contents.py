"""Where files of the host have holes, and how many of them are open at once."""

import os
from pathlib import Path

import pytest

from ssiuml.formats.gfs.contents import Pieces, Sources
from ssiuml.tree.tree import Extent, Literal, TreeError, whole_file


def sparse_file(path: Path, size: int, *places: int) -> Path:
    with path.open("wb") as stream:
        for place in places:
            stream.seek(place)
            stream.write(b"x")
        stream.truncate(size)
    return path


def test_holes_of_a_file_are_left_out(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "file", 10 << 20, 0, 5 << 20)
    if path.stat().st_blocks * 512 > 64 << 10:
        pytest.skip("this file system keeps no holes")
    with Sources() as sources:
        assert sources.data_runs(whole_file(path), 4096) == [(0, 1), (1280, 1)]
        # Seen from the middle of a page, its data begin before the extent does.
        assert sources.data_runs(Extent(path, 100, 6 << 20), 4096) == [(0, 1), (1279, 2)]
        assert sources.data_runs(Extent(path, 8192, 1 << 20), 4096) == []


def test_what_is_cut_off_is_no_hole(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "file", 1 << 20, 0)
    with Sources() as sources, pytest.raises(TreeError, match="file: does not hold the 1048577 bytes"):
        sources.data_runs(Extent(path, 0, (1 << 20) + 1), 4096)


def test_a_file_without_holes_is_all_data(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    with Sources() as sources:
        assert sources.data_runs(whole_file(tmp_path / "file"), 512) is None
        assert sources.data_runs(Literal(b"x" * 10), 512) is None


def test_pieces_are_the_blocks_that_they_touch() -> None:
    with Sources() as sources:
        assert sources.data_runs(Pieces(10_000, [(511, b"xy"), (5000, b"z")]), 512) == [(0, 2), (9, 1)]
        assert sources.data_runs(Pieces(1024, [(0, bytes(1024))]), 512) is None
    assert b"".join(Pieces(6, [(2, b"ab")]).chunks()) == b"\0\0ab\0\0"


def test_of_many_files_only_a_few_are_open_and_none_afterwards(tmp_path: Path) -> None:
    def opened() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = opened()
    with Sources() as sources:
        for number in range(100):
            path = tmp_path / str(number)
            path.write_bytes(b"%d" % number)
            assert os.pread(sources.descriptor(path), 10, 0) == b"%d" % number
        assert opened() - before <= 16
    assert opened() == before
