"""The state of pools and where an assembled pool lies. The tests of ptool and passemble cover the rest."""

from pathlib import Path

import pytest

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Member, Part, Pool
from ssiuml.images.pools import PoolState, edit_state, find_pool, read_state

POOL = Pool("pool0", 1, (Part(0, 0, (Member("/images/root_fs", 4_194_288),)),))


def test_the_name_of_a_pool_finds_it_and_other_paths_find_none() -> None:
    state = PoolState({}, {"pool0": POOL})
    assert find_pool(state, "/dev/pool/pool0") is POOL
    assert find_pool(state, "/dev/loop0") is None
    assert find_pool(state, "root_fs") is None


def test_the_error_for_a_pool_that_is_not_assembled_lists_the_assembled_ones() -> None:
    with pytest.raises(
        UsageError, match="/dev/pool/other: is not assembled; assembled are: /dev/pool/pool0\n"
    ):
        find_pool(PoolState({}, {"pool0": POOL}), "/dev/pool/other")


def test_the_root_pool_of_the_howto_has_the_size_of_its_file_without_the_label() -> None:
    assert POOL.size_bytes == (2 << 30) - 8192
    assert POOL.paths == [Path("/images/root_fs")]


def test_an_edit_of_the_state_is_kept_unless_it_raises(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pools.json"
    assert read_state(path) == PoolState()
    with edit_state(path) as state:
        state.pools["pool0"] = POOL
        state.devices["/dev/loop2"] = "/images/root_fs"
    assert read_state(path) == PoolState({"/dev/loop2": "/images/root_fs"}, {"pool0": POOL})

    def fail() -> None:
        with edit_state(path) as state:
            state.pools.clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_state(path).pools == {"pool0": POOL}
