"""Contents in several pieces: their bytes and holes, and the pieces of a part of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.host.files import CHUNK_BYTES
from ssiuml.tree.extents import MAX_HOLES_BYTES, Extents, pieces_between
from ssiuml.tree.tree import Extent, TreeError


def expected(data: bytes, extents: Extents) -> bytes:
    made = bytearray(extents.size_bytes)
    for offset, source, length in extents.pieces:
        made[offset : offset + length] = data[source : source + length]
    return bytes(made)


@st.composite
def pieces(draw: st.DrawFn) -> Extents:
    found, position = [], 0
    for gap, length, source in draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 90)), max_size=6)
    ):
        found.append((position + gap, source, length))
        position += gap + length
    return Extents("source", position + draw(st.integers(0, 9)), tuple(found))


@given(pieces(), st.integers(0, 120), st.integers(0, 120))
def test_pieces_of_a_part_are_its_bytes_without_the_holes(extents: Extents, start: int, end: int) -> None:
    data = bytes(range(1, 101))
    start, end = sorted((min(start, extents.size_bytes), min(end, extents.size_bytes)))
    made = bytearray(end - start)
    done = start
    for offset, source, length in pieces_between(extents, start, end):
        assert done <= offset < offset + length <= end
        made[offset - start : offset - start + length] = data[source : source + length]
        done = offset + length
    assert bytes(made) == expected(data, extents)[start:end]


def test_chunks_are_the_pieces_with_zeros_between_them(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "source").write_bytes(data)
    extents = Extents(tmp_path / "source", 5_000_000, ((10, 500, 7), (17, 0, 2_000_000), (3_000_000, 1, 9)))
    chunks = list(extents.chunks())
    assert b"".join(chunks) == expected(data, extents)
    assert max(map(len, chunks)) <= CHUNK_BYTES


def test_part_of_an_extent_is_one_piece() -> None:
    assert pieces_between(Extent("source", 100, 50), 10, 30) == [(10, 110, 20)]


def test_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(100))
    with pytest.raises(TreeError, match="source: ends 1 bytes before it should"):
        list(Extents(tmp_path / "source", 200, ((0, 0, 101),)).chunks())


def test_holes_beyond_the_limit_are_an_error_before_any_zeros(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(100))
    with pytest.raises(TreeError, match="too many to be written as zeros"):
        next(Extents(tmp_path / "source", MAX_HOLES_BYTES + 101, ((0, 0, 100),)).chunks())
