"""Directories: hashes as the kernel makes them, and leaves that hold what belongs to them."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_trees import colliding

from ssiuml.formats.gfs.dirents import (
    DirectoryError,
    HashedPlan,
    hash_table,
    name_hash,
    plan_hashed,
    record_bytes,
)

CAPACITY = {512: 408, 4096: 3992}  # behind the leaf's header of 104 bytes


@pytest.mark.parametrize(
    ("name", "value"),
    [(b".", 0x0ED4E242), (b"..", 0x9608161C), (b"etc", 0x2EB55CC9), (b"lost+found", 0x6AB47928)],
)
def test_hashes_are_those_on_the_disks_of_the_kernel(name: bytes, value: int) -> None:
    assert name_hash(name) == value


def test_records_are_multiples_of_eight_with_room_for_header_and_name() -> None:
    assert [record_bytes(length) for length in (1, 8, 9, 255)] == [48, 48, 56, 296]


def holds(plan: HashedPlan, names: list[bytes], block_size: int) -> None:
    """Every name is in exactly one leaf, which its hash leads to, and no block is overfull."""
    table = hash_table(plan, range(1, len(plan.leaves) + 1))
    slots = [int.from_bytes(table[at : at + 8], "big") for at in range(0, len(table), 8)]
    assert len(slots) == 1 << plan.depth
    assert plan.depth <= 17
    found = []
    for number, leaf in enumerate(plan.leaves, 1):
        assert slots.count(number) == 1 << (plan.depth - leaf.depth)
        for low, high in leaf.blocks:
            members = [names[index] for index in plan.order[low:high]]
            assert sum(record_bytes(len(name)) for name in members) <= CAPACITY[block_size]
            assert all(slots[zlib.crc32(name) >> (32 - plan.depth)] == number for name in members)
            found += members
    assert sorted(found) == sorted(names)


@given(
    names=st.lists(st.binary(min_size=1, max_size=255), unique=True, min_size=3, max_size=300),
    block_size=st.sampled_from([512, 4096]),
)
def test_every_name_is_where_its_hash_leads(names: list[bytes], block_size: int) -> None:
    plan = plan_hashed(names, block_size, chains=True)
    holds(plan, names, block_size)
    assert plan.depth >= {512: 5, 4096: 8}[block_size]


def test_names_of_one_hash_are_chained_or_refused() -> None:
    names = [name.encode() for name in colliding(60)]
    plan = plan_hashed(names, 512, chains=True)
    holds(plan, names, 512)
    (full,) = (leaf for leaf in plan.leaves if len(leaf.blocks) > 1)
    assert (full.depth, plan.depth) == (17, 17)
    with pytest.raises(DirectoryError, match="60 of 60 names share the first 17 bits of their hash"):
        plan_hashed(names, 512, chains=False)
