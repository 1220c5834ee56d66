"""The lock server table: read from a configuration file, and its layout on the cidev."""

import hashlib
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from project import GOLDEN

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import files
from ssiuml.images.lock_server_table import (
    HEADER_BYTES,
    LockServerTableHeader,
    load_lock_server_table,
    parse_lock_server_table,
    read_lock_server_table,
    write_lock_server_table,
)

CONFIG = GOLDEN / "gfscf.cf"
TEXT = CONFIG.read_bytes()


def test_the_configuration_file_of_the_howto_is_parsed() -> None:
    table = load_lock_server_table(CONFIG)
    assert (table.data_device, table.cidev) == ("/dev/pool/pool0", "/dev/pool/pool0cidev")
    assert table.lock_server == (IPv4Address("192.168.50.101"), 15697)
    assert (table.callback_port, table.timeout_s) == (3001, 30)
    assert [node.number for node in table.nodes] == list(range(1, 16))
    assert {str(node.address) for node in table.nodes} == {f"192.168.50.{number}" for number in range(1, 16)}


def test_a_byte_order_mark_does_not_reach_the_cidev(tmp_path: Path) -> None:
    (tmp_path / "gfscf.cf").write_bytes(b"\xef\xbb\xbf" + TEXT)
    assert load_lock_server_table(tmp_path / "gfscf.cf") == load_lock_server_table(CONFIG)


def test_fields_of_the_header_lie_at_their_documented_offsets() -> None:
    offsets = {"ht_magic": 0, "ht_version": 16, "ht_text_bytes": 20, "ht_sha256": 24, "ht_reserved": 56}
    assert {name: LockServerTableHeader.offset_of(name) for name in offsets} == offsets
    assert len(LockServerTableHeader(ht_text_bytes=1, ht_sha256=bytes(32)).pack()) == 512


def test_the_cidev_holds_the_header_the_text_and_zeros(tmp_path: Path) -> None:
    image = tmp_path / "cidev"
    files.create(image, 1 << 20)
    write_lock_server_table(image, load_lock_server_table(CONFIG))
    data = image.read_bytes()
    assert len(data) == 1 << 20
    assert data[:16] == b"SSIUML LOCKTABLE"
    assert data[16:24] == (1).to_bytes(4, "big") + len(TEXT).to_bytes(4, "big")
    summed = subprocess.run(["sha256sum", CONFIG], capture_output=True, text=True, check=True).stdout
    assert data[24:56].hex() == summed.split()[0]
    assert data[512 : 512 + len(TEXT)] == TEXT
    assert not any(data[56:512])
    assert not any(data[512 + len(TEXT) :])
    assert read_lock_server_table(image) == load_lock_server_table(CONFIG)


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (0, "no lock server table of this project"),
        (19, "version 3, known is 1"),
        (23, "damaged"),
        (600, "damaged"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, offset: int, said: str) -> None:
    image = tmp_path / "cidev"
    files.create(image, 1 << 20)
    write_lock_server_table(image, load_lock_server_table(CONFIG))
    data = bytearray(image.read_bytes())
    data[offset] ^= 2
    image.write_bytes(data)
    with pytest.raises(SsiumlError, match=said):
        read_lock_server_table(image)


def test_an_absurd_length_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "cidev"
    header = LockServerTableHeader(ht_text_bytes=2**32 - 1, ht_sha256=hashlib.sha256(TEXT).digest())
    image.write_bytes(header.pack().ljust(HEADER_BYTES, b"\0") + TEXT)
    with pytest.raises(SsiumlError, match="damaged"):
        read_lock_server_table(image)


def test_a_device_that_is_too_small_stays_unchanged(tmp_path: Path) -> None:
    image = tmp_path / "cidev"
    image.write_bytes(b"x" * 1024)
    with pytest.raises(UsageError, match=r"lock server table has \d+ bytes, the device only 1024"):
        write_lock_server_table(image, load_lock_server_table(CONFIG))
    assert image.read_bytes() == b"x" * 1024


BAD = [
    (TEXT.replace(b"timeout:", b"timeuot:"), "gfscf.cf:5: 'timeuot' is no key of a lock server table"),
    (TEXT.replace(b"15697", b"70000"), "lockdev: the port: '70000' is not a number from 1 to 65535"),
    (TEXT.replace(b"192.168.50.101", b"192.168.50.301"), "'192.168.50.301' is not an IPv4 address"),
    (TEXT + b"node: 192.168.50.16\t3\tSM: none\n", "gfscf.cf:23: node 3, 192.168.50.16: is there twice"),
    (TEXT + b"node: 192.168.50.3\t16\tSM: none\n", "gfscf.cf:23: node 16, 192.168.50.3: is there twice"),
    (TEXT + b"node: here\n", "gfscf.cf:23: 'here' is not ADDRESS NUMBER SM: HOW"),
    (TEXT + b"cbport: 1\n", "gfscf.cf:23: cbport is set twice"),
    (TEXT.replace(b"name:none\n", b""), "there is no line for name"),
    (b"", "there is no line for datadev, cidev"),
    (TEXT + b"words\n", "gfscf.cf:23: 'words' is not KEY: VALUE"),
    (TEXT + b"name: \xff\n", "gfscf.cf:23: the line has characters that are not ASCII"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_the_error_of_a_wrong_configuration_file_names_the_line(text: bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_lock_server_table(text, "gfscf.cf")
    assert said in str(caught.value)
