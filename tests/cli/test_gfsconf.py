"""gfsconf writes the lock server table on assembled pools and plain files, and reports usage errors."""

from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from project import GOLDEN

from ssiuml.cli import gfsconf, passemble, ptool
from ssiuml.host import files


@pytest.fixture
def cidev(tmp_path: Path) -> Path:
    """The HOWTO's blank cidev, 4096 KiB."""
    path = tmp_path / "root_cidev"
    files.create(path, 4096 << 10)
    return path


def call(folder: Path, *words: str | Path) -> Outcome:
    return call_command(gfsconf.main, "--state", folder / "pools.json", *words)


def test_ptool_passemble_and_gfsconf_write_the_table_behind_the_pools_label(
    tmp_path: Path, cidev: Path
) -> None:
    state = ("--state", tmp_path / "pools.json")
    labelled = call_command(ptool.main, *state, GOLDEN / "pool0cidev.cf", "--device", f"/dev/loop1={cidev}")
    assert labelled.status == 0
    label = cidev.read_bytes()[:8192]
    assert call_command(passemble.main, *state).status == 0
    ended = call(tmp_path, "-c", GOLDEN / "gfscf.cf")
    assert (ended.status, ended.err) == (0, "")
    assert "lock server table of 15 nodes, lock server 192.168.50.101:15697" in ended.out
    assert "not that of OpenGFS's gfsconf" in ended.out
    data = cidev.read_bytes()
    assert data[:8192] == label
    assert data[8192 + 512 :].startswith((GOLDEN / "gfscf.cf").read_bytes())
    for device in ("/dev/pool/pool0cidev", cidev):
        listed = call(tmp_path, "-l", device)
        assert (listed.status, listed.out) == (0, (GOLDEN / "gfscf.cf").read_text())


def test_cidev_option_names_another_device(tmp_path: Path, cidev: Path) -> None:
    assert call(tmp_path, "-c", GOLDEN / "gfscf.cf", "--cidev", cidev).status == 0
    assert cidev.read_bytes().startswith(b"SSIUML LOCKTABLE")


def test_pool_that_is_not_assembled_is_a_usage_error(tmp_path: Path) -> None:
    ended = call(tmp_path, "-c", GOLDEN / "gfscf.cf")
    assert ended.status == 2
    assert "/dev/pool/pool0cidev: is not assembled" in ended.err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "one of the arguments -c -l is required"),
        (("-c", "absent.cf"), 2, "absent.cf: cannot be read"),
        (("-l", "{cidev}"), 1, "no lock server table of this project"),
        (("-l", "{cidev}", "--cidev", "x"), 2, "--cidev goes with -c only"),
    ],
)
def test_usage_error_or_missing_table_is_reported(
    tmp_path: Path, cidev: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    ended = call(tmp_path, *(word.format(cidev=cidev) for word in words))
    assert ended.status == status
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_file_with_other_contents_is_overwritten_only_with_force(tmp_path: Path) -> None:
    wrong = tmp_path / "root_fs"
    wrong.write_bytes(b"precious" * 1000)
    ended = call(tmp_path, "-c", GOLDEN / "gfscf.cf", "--cidev", wrong)
    assert ended.status == 1
    assert "is not empty" in ended.err
    assert wrong.read_bytes() == b"precious" * 1000
    assert call(tmp_path, "-c", GOLDEN / "gfscf.cf", "--cidev", wrong, "--force").status == 0
    # Now it holds a table of ours.
    assert call(tmp_path, "-c", GOLDEN / "gfscf.cf", "--cidev", wrong).status == 0


def test_label_of_a_pool_stays_if_cidev_option_names_its_file(tmp_path: Path, cidev: Path) -> None:
    state = ("--state", tmp_path / "pools.json")
    assert (
        call_command(ptool.main, *state, GOLDEN / "pool0cidev.cf", "--device", f"/dev/loop1={cidev}").status
        == 0
    )
    label = cidev.read_bytes()[:8192]
    assert call(tmp_path, "-c", GOLDEN / "gfscf.cf", "--cidev", cidev).status == 0
    assert cidev.read_bytes()[:8192] == label
    assert cidev.read_bytes()[8192:].startswith(b"SSIUML LOCKTABLE")
