"""Pool configuration files: those of the HOWTO, and some with mistakes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import GOLDEN

from ssiuml.errors import UsageError
from ssiuml.formats.pool.config import PoolConfig, PoolDevice, Subpool, SubpoolType, load_config, parse_config

FILE = Path("pool.cf")

STRIPED = """\
poolname data-1
minor 3
subpools 2
subpool 0 128 2 gfs_data
subpool 1 0 1 gfs_journal   # journals on their own disk
pooldevice 1 0 /dev/sdc1
pooldevice 0 1 /dev/sdb1 7
pooldevice 0 0 /dev/sda1
"""


def changed(line: int, text: str) -> str:
    """Return STRIPED with *text* as its line number *line*, counted from 1."""
    lines = STRIPED.splitlines()
    lines[line - 1] = text
    return "\n".join(lines)


def test_a_byte_order_mark_and_line_ends_of_windows_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "pool.cf"
    path.write_bytes(b"\xef\xbb\xbf" + STRIPED.replace("\n", "\r\n").encode())
    assert load_config(path) == parse_config(STRIPED, path)


@pytest.mark.parametrize(("pool", "device"), [("pool0", "/dev/loop2"), ("pool0cidev", "/dev/loop1")])
def test_the_files_of_the_howto_are_read(pool: str, device: str) -> None:
    path = GOLDEN / f"{pool}.cf"
    devices = (PoolDevice(device, 0, 4),)
    assert load_config(path) == PoolConfig(path, pool, 0, (Subpool(0, SubpoolType.DATA, devices),))


def test_devices_and_subpools_have_the_order_of_their_ids_for_any_order_of_lines() -> None:
    config = parse_config(STRIPED, FILE)
    assert (config.name, config.minor) == ("data-1", 3)
    assert config.subpools == (
        Subpool(128, SubpoolType.DATA, (PoolDevice("/dev/sda1", 0, 8), PoolDevice("/dev/sdb1", 7, 7))),
        Subpool(0, SubpoolType.JOURNAL, (PoolDevice("/dev/sdc1", 0, 6),)),
    )


def test_subpool_without_a_type_is_for_data() -> None:
    assert parse_config(changed(4, "subpool 0 128 2"), FILE).subpools[0].type is SubpoolType.DATA


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"pool\.cf: poolname is missing\n.*poolname NAME"),
        ("poolname a", r"pool\.cf: subpools is missing"),
        ("poolname a\nsubpools 1", r"pool\.cf:2: subpools 1: .* none\n"),
        (changed(1, "poolname"), r":1: poolname: 0 values, expected 1\n"),
        (changed(1, "poolname a b"), r":1: poolname: 2 values, expected 1\n"),
        (changed(1, "poolname /dev/pool/a"), r":1: poolname '/dev/pool/a'\n"),
        (changed(1, "poolname " + "a" * 256), r":1: poolname 'a{256}'\n.*at most 255"),
        (changed(2, "poolname b"), r":2: poolname b: the pool has a name already, data-1"),
        (changed(2, "minor 65"), r":2: minor: '65'\n.*from 0 to 64"),
        (changed(2, "major 1"), r":2: 'major' is no statement\n.*poolname, minor, subpools"),
        (changed(3, "subpools 3"), r":3: subpools 3: the subpools described are: 0, 1\n"),
        (changed(3, "subpools 1"), r":3: subpools 1: the subpools described are: 0, 1\n"),
        (changed(3, "subpools 0"), r":3: subpools: '0'\n.*from 1 to 128"),
        (changed(3, "subpools two"), r":3: subpools: 'two'\n"),
        (changed(2, "subpools 2"), r":3: subpools 2: line 2 has it already"),
        (changed(4, "subpool 0 128 3 gfs_data"), r":4: subpool 0: 3 devices are announced, .*: 0, 1\n"),
        (changed(4, "subpool 0 128 1 gfs_data"), r":4: subpool 0: 1 device is announced, .*: 0, 1\n"),
        (changed(4, "subpool 0 100 2 gfs_data"), r":4: subpool 0: a stripe of 100 sectors\n.*power of two"),
        (changed(4, "subpool 0 -1 2 gfs_data"), r":4: subpool 0: STRIPE: '-1'\n"),
        (changed(4, "subpool 0 128 0 gfs_data"), r":4: subpool 0: DEVICES: '0'\n"),
        (changed(4, "subpool 0 128 2 ext2"), r":4: subpool 0: type 'ext2'\n.*gfs_data or gfs_journal"),
        (changed(4, "subpool 0 128 2 gfs_journal"), r":4: subpool 0: gfs_journal, but the superblock"),
        (changed(5, "subpool 0 0 1 gfs_data"), r":5: subpool 0: line 4 describes it already"),
        (changed(6, ""), r":5: subpool 1: 1 device is announced, the ids listed are: none\n"),
        (changed(6, "pooldevice 2 0 /dev/sdc1"), r":6: pooldevice: there is no subpool 2 above"),
        (changed(7, "pooldevice 0 1 /dev/sdc1"), r":7: .* /dev/sdc1 is listed twice, first in line 6\n"),
        (changed(8, "pooldevice 0 1 /dev/sda1"), r":8: pooldevice 0 1: line 7 has it already\n"),
        (changed(8, "pooldevice 0 5 /dev/sda1"), r":4: subpool 0: .* the ids listed are: 1, 5\n"),
        (changed(8, "pooldevice 0 0 sda1"), r":8: pooldevice 0 0: 'sda1'\n.*absolute path"),
        (changed(8, "pooldevice 0 0 /dev/sda1 heavy"), r":8: WEIGHT: 'heavy'\n"),
        (changed(8, "pooldevice 0 0"), r":8: pooldevice: 2 values, expected 3 or 4\n.*\[WEIGHT\]"),
    ],
)
def test_every_mistake_is_an_error_with_its_line_value_and_a_hint(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_config(text, FILE)
    assert str(caught.value).startswith("pool.cf")
    assert caught.value.hint


def test_more_devices_than_the_limit_of_a_pool_are_an_error() -> None:
    lines = ["poolname a", "subpools 2", "subpool 0 0 100", "subpool 1 0 100"]
    lines += [f"pooldevice {n // 100} {n % 100} /dev/d{n}" for n in range(200)]
    with pytest.raises(UsageError, match=r"200 devices\n.*at most 128"):
        parse_config("\n".join(lines), FILE)


def test_file_that_is_missing_too_large_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent: cannot be read: No such file"):
        load_config(tmp_path / "absent")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "binary").write_bytes(b"poolname a\n\xff\xfe")
    with pytest.raises(UsageError, match="binary: byte 11 is no UTF-8 text"):
        load_config(tmp_path / "binary")
    (tmp_path / "large").write_bytes(b"#" * (1 << 21))
    with pytest.raises(UsageError, match="large: is larger than 1048576 bytes"):
        load_config(tmp_path / "large")


WORDS = ["poolname", "minor", "subpools", "subpool", "pooldevice", "0", "1", "2", "gfs_data", "/a", "/b", "#"]


@given(st.lists(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=6), max_size=8))
def test_any_text_gives_a_whole_pool_or_an_error(lines: list[list[str]]) -> None:
    try:
        config = parse_config("\n".join(" ".join(words) for words in lines), FILE)
    except UsageError:
        return
    assert config.subpools
    assert all(subpool.devices for subpool in config.subpools)
