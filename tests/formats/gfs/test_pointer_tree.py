"""Pointer trees: heights are those measured with other tools; trees are those computed by hand."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.formats.gfs.pointer_tree import (
    BlockLayout,
    Run,
    full_tree,
    map_runs,
    pointers_to,
    sparse_tree,
    split_runs,
)
from ssiuml.formats.gfs.structures import UnstorableError

GFS1 = BlockLayout(4096, 88)
GFS2 = BlockLayout(4096, 24)
# The most bytes of each height with blocks of 4096 bytes.
REACHES = {
    (GFS1, False): [3864, 1978368, 991162368, 496572346368, 248782745530368],
    (GFS1, True): [3864, 1966776, 985354776, 493662742776, 247325034130776],
    (GFS2, False): [3864, 1978368, 1006989312, 512557559808, 260891797942272],
    (GFS2, True): [3864, 1966776, 1001088984, 509554292856, 259363135063704],
}
POINTERS = {512: (35, 53, 61), 1024: (99, 117, 125), 2048: (227, 245, 253), 8192: (995, 1013, 1021)}


@pytest.mark.parametrize(("layout", "headers"), REACHES)
def test_the_height_is_the_smallest_that_reaches_the_size(layout: BlockLayout, headers: bool) -> None:
    for height, most in enumerate(REACHES[layout, headers]):
        assert layout.height(most, headers) == height
        assert layout.height(most + 1, headers) == height + 1


@pytest.mark.parametrize("size", POINTERS)
def test_blocks_hold_as_many_pointers_as_fit(size: int) -> None:
    dinode, gfs1, gfs2 = POINTERS[size]
    assert BlockLayout(size, 88).inode_pointers == dinode
    assert (BlockLayout(size, 88).block_pointers, BlockLayout(size, 24).block_pointers) == (gfs1, gfs2)


def test_a_size_beyond_the_greatest_height_is_an_error() -> None:
    most = 512 * 35 * 61**9
    assert BlockLayout(512, 24).height(most) == 10
    with pytest.raises(UnstorableError, match=f"{most + 1} bytes do not fit into one file"):
        BlockLayout(512, 24).height(most + 1)


def test_a_full_tree_has_as_many_blocks_as_counted_by_hand() -> None:
    # 1000 data blocks of 512 bytes: 61 pointers a block, so 17 indirect blocks, all within the dinode's 35.
    tree = full_tree(BlockLayout(512, 24), 1000 * 512)
    assert (tree.height, tree.indirect_blocks, tree.data_blocks) == (2, 17, 1000)
    # 3000: 50 blocks, more than 35, and one level more of one block.
    tree = full_tree(BlockLayout(512, 24), 3000 * 512)
    assert (tree.height, tree.levels, tree.data_blocks) == (3, (((0, 1),), ((0, 50),)), 3000)


@st.composite
def sparse_runs(draw: st.DrawFn) -> list[Run]:
    """Draw runs of data blocks, ascending, with a hole before each."""
    runs, at = [], 0
    for gap, count in draw(
        st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 300)), min_size=1, max_size=8)
    ):
        runs.append((at + gap, count))
        at += gap + count
    return runs


@given(data=sparse_runs(), height=st.integers(3, 4))
def test_pointers_lead_to_every_data_block_and_to_no_other(data: list[Run], height: int) -> None:
    layout = BlockLayout(512, 24)
    tree = sparse_tree(layout, height, data)
    counts = [sum(count for _, count in level) for level in tree.levels]
    runs = split_runs([(1000, tree.indirect_blocks + tree.data_blocks)], [*counts, tree.data_blocks])
    levels = [map_runs(level, run) for level, run in zip([*tree.levels, tree.data], runs, strict=True)]
    blocks: dict[int, bytes] = {}
    for level, run, below in zip(levels, runs, levels[1:], strict=False):
        addresses = [address + number for _, address, count in level for number in range(count)]
        contents = list(pointers_to(below, layout.block_pointers))
        assert len(contents) == len(addresses) == sum(count for _, count in run)
        blocks |= dict(zip(addresses, contents, strict=True))
    (top,) = pointers_to(levels[0], layout.inode_pointers)

    found: dict[int, int] = {}

    def follow(pointers: bytes, first: int, depth: int) -> None:
        for number, address in enumerate(struct.unpack(f">{len(pointers) // 8}Q", pointers)):
            index = first * layout.block_pointers + number
            if address and depth == 1:
                found[index] = address
            elif address:
                follow(blocks[address], index, depth - 1)

    follow(top, 0, height)
    wanted = [index + number for index, count in data for number in range(count)]
    assert sorted(found) == wanted
    # Data blocks lie in order behind the indirect blocks.
    assert [found[index] for index in wanted] == [
        1000 + tree.indirect_blocks + number for number in range(len(wanted))
    ]
