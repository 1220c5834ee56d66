"""Directories: hashes are the kernel's, and every name is in the leaf for its hash."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_trees import colliding

from ssiuml.formats.gfs.directories import (
    HashedLayout,
    dirent_bytes,
    hash_table,
    name_hash,
    plan_hashed,
)
from ssiuml.formats.gfs.structures import UnstorableError

CAPACITY = {512: 408, 4096: 3992}  # behind the leaf's header of 104 bytes


@pytest.mark.parametrize(
    ("name", "value"),
    [(b".", 0x0ED4E242), (b"..", 0x9608161C), (b"etc", 0x2EB55CC9), (b"lost+found", 0x6AB47928)],
)
def test_hashes_are_those_that_the_kernel_wrote(name: bytes, value: int) -> None:
    assert name_hash(name) == value


def test_dirents_have_room_for_header_and_name_and_a_multiple_of_8_bytes() -> None:
    assert [dirent_bytes(length) for length in (1, 8, 9, 255)] == [48, 48, 56, 296]


def assert_holds(layout: HashedLayout, names: list[bytes], block_size: int) -> None:
    """Assert that each name is in the one leaf for its hash, and that no block is overfull."""
    table = hash_table(layout, range(1, len(layout.leaves) + 1))
    slots = [int.from_bytes(table[at : at + 8], "big") for at in range(0, len(table), 8)]
    assert len(slots) == 1 << layout.depth
    assert layout.depth <= 17
    found = []
    for number, leaf in enumerate(layout.leaves, 1):
        assert slots.count(number) == 1 << (layout.depth - leaf.depth)
        for low, high in leaf.blocks:
            members = [names[index] for index in layout.order[low:high]]
            assert sum(dirent_bytes(len(name)) for name in members) <= CAPACITY[block_size]
            assert all(slots[zlib.crc32(name) >> (32 - layout.depth)] == number for name in members)
            found += members
    assert sorted(found) == sorted(names)


@given(
    names=st.lists(st.binary(min_size=1, max_size=255), unique=True, min_size=3, max_size=300),
    block_size=st.sampled_from([512, 4096]),
)
def test_every_name_is_in_the_leaf_for_its_hash(names: list[bytes], block_size: int) -> None:
    layout = plan_hashed(names, block_size, chains=True)
    assert_holds(layout, names, block_size)
    assert layout.depth >= {512: 5, 4096: 8}[block_size]


def test_names_with_one_hash_are_chained_or_refused() -> None:
    names = [name.encode() for name in colliding(60)]
    layout = plan_hashed(names, 512, chains=True)
    assert_holds(layout, names, 512)
    (full,) = (leaf for leaf in layout.leaves if len(leaf.blocks) > 1)
    assert (full.depth, layout.depth) == (17, 17)
    with pytest.raises(UnstorableError, match="60 of 60 names share the first 17 bits of their hash"):
        plan_hashed(names, 512, chains=False)
