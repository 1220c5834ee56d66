"""Claims are a set of blocks; Holes finds holes block by block, in any layout of stored sectors."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.inspect.tally import CHUNK_BLOCKS, CLAIMED, Claims, Holes

SPAN = 3 * CHUNK_BLOCKS
OTHERS = bytes.maketrans(b"\0\1", b"\1\0")
RUNS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(CHUNK_BLOCKS - 20, CHUNK_BLOCKS + 20)),
        st.one_of(st.integers(0, 40), st.integers(CHUNK_BLOCKS, SPAN - 2 * CHUNK_BLOCKS)),
    ),
    max_size=4,
)


@settings(max_examples=30)
@given(RUNS)
def test_claims_of_runs_are_the_set_of_their_blocks(runs: list[tuple[int, int]]) -> None:
    claims, claimed = Claims(), bytearray(SPAN)  # a byte for each block: 1 if it is claimed
    for start, count in runs:
        new, expected = bytearray(SPAN), bytearray(SPAN)
        for first, size in claims.add_run(start, count):
            assert not any(new[first : first + size])
            new[first : first + size] = b"\1" * size
        expected[start : start + count] = claimed[start : start + count].translate(OTHERS)
        assert new == expected
        claimed[start : start + count] = b"\1" * count
    assert claims.states(0, SPAN) == claimed.replace(b"\1", bytes([CLAIMED]))


def test_blocks_of_full_chunks_are_claimed_and_other_blocks_are_not() -> None:
    claims = Claims()
    assert list(claims.add_run(0, 2 * CHUNK_BLOCKS)) == [(0, CHUNK_BLOCKS), (CHUNK_BLOCKS, CHUNK_BLOCKS)]
    assert not claims.add(5)
    assert not claims.add(CHUNK_BLOCKS + 5)
    assert claims.add(2 * CHUNK_BLOCKS)
    assert list(Claims().add_run(0, 1)) == [(0, 1)]


@dataclass
class Stripes:
    """A source whose sectors are stored (x) or holes (.); its extents are single sectors, as of stripes."""

    sectors: str

    @property
    def size_bytes(self) -> int:
        return len(self.sectors) * 512

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        raise AssertionError("must not be read")

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        number = offset_bytes // 512
        return self.sectors[number] == "x", (number + 1) * 512


@given(st.text("x.", min_size=8, max_size=64).map(lambda text: text[: len(text) // 8 * 8]))
def test_block_is_a_hole_if_none_of_its_sectors_is_stored(sectors: str) -> None:
    holes = Holes(Stripes(sectors), 4096)
    for block in range(len(sectors) // 8):
        is_hole, behind = holes.at(block)
        assert is_hole == ("x" not in sectors[block * 8 : block * 8 + 8])
        assert behind > block
        within = [sectors[each * 8 : each * 8 + 8] for each in range(block, behind)]
        assert all(("x" not in each) == is_hole for each in within)
