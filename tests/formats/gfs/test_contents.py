"""Holes of host files are found, and few host files are open at once."""

import os
from pathlib import Path

import pytest

from ssiuml.formats.gfs.contents import HostFiles, SparseBytes
from ssiuml.tree.tree import Extent, Literal, TreeError, whole_file


def sparse_file(path: Path, size: int, *places: int) -> Path:
    with path.open("wb") as stream:
        for place in places:
            stream.seek(place)
            stream.write(b"x")
        stream.truncate(size)
    return path


def test_data_runs_leave_out_the_holes_of_a_file(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "file", 10 << 20, 0, 5 << 20)
    if path.stat().st_blocks * 512 > 64 << 10:
        pytest.skip("this file system keeps no holes")
    with HostFiles() as host_files:
        assert host_files.data_runs(whole_file(path), 4096) == [(0, 1), (1280, 1)]
        # The extent begins in the middle of a page, whose data begin before it.
        assert host_files.data_runs(Extent(path, 100, 6 << 20), 4096) == [(0, 1), (1279, 2)]
        assert host_files.data_runs(Extent(path, 8192, 1 << 20), 4096) == []


def test_the_missing_end_of_a_file_is_an_error_and_no_hole(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "file", 1 << 20, 0)
    with HostFiles() as host_files, pytest.raises(TreeError, match="file: does not hold the 1048577 bytes"):
        host_files.data_runs(Extent(path, 0, (1 << 20) + 1), 4096)


def test_a_file_without_holes_has_no_data_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    with HostFiles() as host_files:
        assert host_files.data_runs(whole_file(tmp_path / "file"), 512) is None
        assert host_files.data_runs(Literal(b"x" * 10), 512) is None


def test_sparse_bytes_occupy_the_blocks_that_their_pieces_touch() -> None:
    with HostFiles() as host_files:
        assert host_files.data_runs(SparseBytes(10_000, [(511, b"xy"), (5000, b"z")]), 512) == [
            (0, 2),
            (9, 1),
        ]
        assert host_files.data_runs(SparseBytes(1024, [(0, bytes(1024))]), 512) is None
    assert b"".join(SparseBytes(6, [(2, b"ab")]).chunks()) == b"\0\0ab\0\0"


def test_at_most_16_files_are_open_and_all_are_closed_at_the_end(tmp_path: Path) -> None:
    def open_image() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = open_image()
    with HostFiles() as host_files:
        for number in range(100):
            path = tmp_path / str(number)
            path.write_bytes(b"%d" % number)
            assert os.pread(host_files.descriptor(path), 10, 0) == b"%d" % number
        assert open_image() - before <= 16
    assert open_image() == before
