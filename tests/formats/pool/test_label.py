"""The pool label: its bytes, and whether lvm2 recognises them."""

import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import GOLDEN

from ssiuml.errors import UsageError
from ssiuml.formats.ondisk import OnDisk
from ssiuml.formats.pool.config import load_config, parse_config
from ssiuml.formats.pool.label import PoolLabel, make_labels, pool_id, read_label
from ssiuml.host.run import find_tool

HOWTO = load_config(GOLDEN / "pool0.cf")
ROOT_FS_BYTES = 2 << 30


def howto_label() -> PoolLabel:
    return make_labels(HOWTO, {"/dev/loop2": ROOT_FS_BYTES})["/dev/loop2"]


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("pl_magic", 0),
        ("pl_pool_id", 8),
        ("pl_pool_name", 16),
        ("pl_version", 272),
        ("pl_subpools", 276),
        ("pl_sp_id", 280),
        ("pl_sp_devs", 284),
        ("pl_sp_devid", 288),
        ("pl_sp_type", 292),
        ("pl_blocks", 296),
        ("pl_striping", 304),
        ("pl_sp_dmepdevs", 308),
        ("pl_sp_dmepid", 312),
        ("pl_sp_weight", 316),
        ("pl_minor", 320),
        ("pl_padding", 324),
        ("pl_reserve", 328),
    ],
)
def test_every_field_has_the_offset_of_struct_pool_disk(name: str, offset: int) -> None:
    assert PoolLabel.offset_of(name) == offset


def test_label_fills_a_sector() -> None:
    assert issubclass(PoolLabel, OnDisk)
    assert PoolLabel.size_bytes() == 512


def test_pool_of_the_howto_gets_the_label_that_is_written_here_by_hand() -> None:
    by_hand = bytearray(512)
    struct.pack_into(">QQ", by_hand, 0, 0x11670, pool_id(HOWTO))
    by_hand[16:21] = b"pool0"
    struct.pack_into(">6I", by_hand, 272, 0x00040103, 1, 0, 1, 0, 0x68011670)
    struct.pack_into(">Q", by_hand, 296, 4194304 - 16)
    assert howto_label().pack() == bytes(by_hand)


def test_labels_of_a_larger_pool_have_the_places_of_their_devices() -> None:
    text = "poolname p\nminor 7\nsubpools 2\nsubpool 0 128 2 gfs_data\nsubpool 1 0 1 gfs_journal\n"
    text += "pooldevice 0 0 /a\npooldevice 0 1 /b 5\npooldevice 1 0 /c\n"
    size = {"/a": 128 * 512 * 10 + 8192, "/b": 128 * 512 * 12, "/c": 8192 + 16 * 512 * 5 + 511}
    labels = make_labels(parse_config(text, Path("p.cf")), size)
    seen = {name: struct.unpack(">6IQ6I", label.pack()[272:328]) for name, label in labels.items()}
    version, data, journal = 0x00040103, 0x68011670, 0x69011670
    assert seen == {
        "/a": (version, 2, 0, 2, 0, data, 1280, 128, 0, 0, 0, 7, 0),
        "/b": (version, 2, 0, 2, 1, data, 128 * 11, 128, 0, 0, 5, 7, 0),
        "/c": (version, 2, 1, 1, 0, journal, 80, 0, 0, 0, 0, 7, 0),
    }
    assert len({label.pl_pool_id for label in labels.values()}) == 1


def test_different_descriptions_give_different_ids_and_equal_ones_the_same() -> None:
    texts = [
        f"poolname {name}\nsubpools 1\nsubpool 0 {stripe} 1 {kind}\npooldevice 0 0 {device}\n"
        for name in "ab"
        for stripe in (0, 16)
        for kind in ["gfs_data"]
        for device in ("/a", "/b")
    ]
    ids = [pool_id(parse_config(text, Path("x"))) for text in texts]
    assert len(set(ids)) == len(texts)
    assert ids == [pool_id(parse_config(text, Path("y"))) for text in texts]


def test_device_that_is_too_small_is_an_error_with_file_and_line() -> None:
    with pytest.raises(
        UsageError, match=r"pool0\.cf:4: /dev/loop2 has 8\.5 KiB, .* 16 KiB or more\n  .*--device"
    ):
        make_labels(HOWTO, {"/dev/loop2": 8704})


def test_first_device_of_a_striped_subpool_may_not_be_the_largest() -> None:
    config = parse_config(
        "poolname p\nsubpools 1\nsubpool 0 16 2\npooldevice 0 0 /a\npooldevice 0 1 /b\n", Path("p.cf")
    )
    with pytest.raises(UsageError, match=r"p\.cf:5: /b has 64 KiB, less than /a"):
        make_labels(config, {"/a": 1 << 17, "/b": 1 << 16})


def with_bytes(offset: int, data: bytes) -> bytes:
    label = bytearray(howto_label().pack())
    label[offset : offset + len(data)] = data
    return bytes(label)


@pytest.mark.parametrize(
    "sector",
    [
        b"",
        bytes(512),
        howto_label().pack()[:511],
        with_bytes(0, bytes.fromhex("7016010000000000")),
        with_bytes(0, bytes.fromhex("0000000000011671")),
        with_bytes(272, bytes.fromhex("00050103")),
        with_bytes(272, bytes.fromhex("00040203")),
    ],
)
def test_sector_that_lvm2_does_not_recognise_is_no_label(sector: bytes) -> None:
    assert read_label(sector) is None


def test_label_is_read_back_even_with_another_update_level() -> None:
    assert read_label(howto_label().pack()) == howto_label()
    later = read_label(with_bytes(275, b"\x09"))
    assert later is not None
    assert later.name == "pool0"


@contextmanager
def loop_device(image: Path) -> Iterator[str]:
    """Yield a loop device for *image*. Skip the test if this machine or user has none."""
    losetup = find_tool("losetup")
    if os.geteuid() != 0 or losetup is None:
        pytest.skip("loop devices need root and losetup")
    made = subprocess.run([losetup, "--find", "--show", image], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run([losetup, "--detach", device], check=True)


@pytest.mark.parametrize("is_labelled", [True, False])
def test_lvm2_recognises_the_label(tmp_path: Path, is_labelled: bool) -> None:
    pvs = find_tool("pvs")
    if pvs is None:
        pytest.skip("pvs (Debian: lvm2) is not on this machine")
    image = tmp_path / "image"
    image.write_bytes(howto_label().pack() if is_labelled else bytes(512))
    os.truncate(image, 64 << 20)
    with loop_device(image) as device:
        words = [
            pvs,
            "-vvvv",
            "--config",
            f'devices {{ use_devicesfile=0 filter=["a|^{device}$|","r|.*|"] }}',
        ]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if "gfs-pool" in line and device in line]
    assert bool(lines) == is_labelled, result.stderr[-2000:]
