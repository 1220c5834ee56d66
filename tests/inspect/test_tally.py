"""Claims are a set of blocks; holes are seen block by block, however they are stored."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.inspect.tally import CHUNK_BLOCKS, Claims, Holes

SPAN = 3 * CHUNK_BLOCKS
RUNS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(CHUNK_BLOCKS - 20, CHUNK_BLOCKS + 20)),
        st.one_of(st.integers(0, 40), st.integers(CHUNK_BLOCKS, SPAN - 2 * CHUNK_BLOCKS)),
    ),
    max_size=4,
)


@settings(max_examples=30)
@given(RUNS)
def test_runs_take_what_a_set_of_their_blocks_would(runs: list[tuple[int, int]]) -> None:
    claims, model = Claims(), set[int]()
    for start, count in runs:
        new = [
            address for first, size in claims.add_run(start, count) for address in range(first, first + size)
        ]
        wanted = set(range(start, start + count))
        assert len(new) == len(set(new))
        assert set(new) == wanted - model
        model |= wanted
    states = claims.states(0, SPAN)
    assert [bool(state) for state in states] == [address in model for address in range(SPAN)]


def test_a_block_of_a_full_run_is_taken_and_others_stay_free() -> None:
    claims = Claims()
    assert list(claims.add_run(0, 2 * CHUNK_BLOCKS)) == [(0, CHUNK_BLOCKS), (CHUNK_BLOCKS, CHUNK_BLOCKS)]
    assert not claims.add(5)
    assert not claims.add(CHUNK_BLOCKS + 5)
    assert claims.add(2 * CHUNK_BLOCKS)
    assert list(Claims().add_run(0, 1)) == [(0, 1)]


@dataclass
class Stripes:
    """A source whose sectors are stored (x) or holes (.), told sector by sector as striped devices are."""

    sectors: str

    @property
    def size_bytes(self) -> int:
        return len(self.sectors) * 512

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        raise AssertionError("nothing has to be read")

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        number = offset_bytes // 512
        return self.sectors[number] == "x", (number + 1) * 512


@given(st.text("x.", min_size=8, max_size=64).map(lambda text: text[: len(text) // 8 * 8]))
def test_a_block_is_a_hole_if_nothing_of_it_is_stored(sectors: str) -> None:
    holes = Holes(Stripes(sectors), 4096)
    for block in range(len(sectors) // 8):
        is_hole, behind = holes.at(block)
        assert is_hole == ("x" not in sectors[block * 8 : block * 8 + 8])
        assert behind > block
        within = [sectors[each * 8 : each * 8 + 8] for each in range(block, behind)]
        assert all(("x" not in each) == is_hole for each in within)
