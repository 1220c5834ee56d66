"""Where an assembled pool lies, as other programs ask for it; the rest is tested with ptool and passemble."""

from pathlib import Path

import pytest

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Member, Part, Pool, State, changing_state, pool_of, read_state

POOL = Pool("pool0", 1, (Part(0, 0, (Member("/images/root_fs", 4_194_288),)),))


def test_a_pools_name_leads_to_it_and_other_paths_to_none() -> None:
    state = State({}, {"pool0": POOL})
    assert pool_of(state, "/dev/pool/pool0") is POOL
    assert pool_of(state, "/dev/loop0") is None
    assert pool_of(state, "root_fs") is None


def test_a_pool_that_is_not_assembled_is_an_error_with_those_that_are() -> None:
    with pytest.raises(
        UsageError, match="/dev/pool/other: is not assembled; assembled are: /dev/pool/pool0\n"
    ):
        pool_of(State({}, {"pool0": POOL}), "/dev/pool/other")


def test_the_howtos_root_is_as_large_as_its_file_without_the_label() -> None:
    assert POOL.size_bytes == (2 << 30) - 8192
    assert POOL.paths == [Path("/images/root_fs")]


def test_what_is_changed_is_there_for_the_next_and_not_if_it_went_wrong(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pools.json"
    assert read_state(path) == State()
    with changing_state(path) as state:
        state.pools["pool0"] = POOL
        state.devices["/dev/loop2"] = "/images/root_fs"
    assert read_state(path) == State({"/dev/loop2": "/images/root_fs"}, {"pool0": POOL})

    def fail() -> None:
        with changing_state(path) as state:
            state.pools.clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_state(path).pools == {"pool0": POOL}
