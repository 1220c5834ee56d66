"""Resource groups: allocation of blocks, and the states of these blocks in bitmaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.formats.gfs.resource_groups import BlockAllocator, NoSpaceError, ResourceGroup

FREE, USED, DINODE = 0, 1, 3


def states(bits: bytes, blocks: int) -> list[int]:
    """Return the state of each block: two bits each, the lowest first."""
    padded = bits.ljust(blocks // 4 + 1, b"\0")
    return [padded[number // 4] >> (2 * (number % 4)) & 3 for number in range(blocks)]


@given(
    groups=st.lists(st.integers(1, 40).map(lambda fours: 4 * fours), min_size=1, max_size=5),
    inodes=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 30)), max_size=30),
)
def test_bitmaps_hold_the_states_of_all_allocated_blocks(
    groups: list[int], inodes: list[tuple[int, int]]
) -> None:
    allocator = BlockAllocator(
        ResourceGroup(1000 * number, 2, blocks) for number, blocks in enumerate(groups)
    )
    expected: dict[int, int] = {}
    dinodes: list[int] = []
    for metadata, data in inodes:
        if metadata + data > allocator.free:
            break
        runs = allocator.allocate(metadata, data)
        allocated = [first + number for first, count in runs for number in range(count)]
        assert not expected.keys() & set(allocated)
        dinodes.append(allocated[0])
        expected |= dict.fromkeys(allocated[:metadata], DINODE) | dict.fromkeys(allocated[metadata:], USED)
    for group in allocator.groups:
        seen = states(bytes(group.bitmap()), group.blocks)
        assert seen == [expected.get(group.first + number, FREE) for number in range(group.blocks)]
        assert group.free == seen.count(FREE)
        assert group.marked == seen.count(DINODE)
        assert group.dinodes == sum(
            group.first <= address < group.first + group.blocks for address in dinodes
        )


def test_allocation_starts_at_the_lowest_block_and_continues_in_the_next_group() -> None:
    allocator = BlockAllocator([ResourceGroup(10, 1, 8), ResourceGroup(50, 2, 8)])
    assert allocator.allocate(1, 4) == [(11, 5)]
    assert allocator.allocate(1, 6) == [(16, 3), (52, 4)]
    assert allocator.free == 4
    with pytest.raises(NoSpaceError):
        allocator.allocate(1, 4)


def test_the_bitmap_is_split_behind_the_headers_of_its_blocks() -> None:
    group = ResourceGroup(0, 3, 4 * (384 + 488 + 100))
    group.take(group.blocks)
    first, second, third = group.bitmap_blocks(512)
    assert (len(first), len(second), len(third)) == (512 - 128, 512 - 24, 100)
    assert set(first + second + third) == {0b01010101}
