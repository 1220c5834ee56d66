"""passemble records the files of each pool, and reports incomplete and contradictory pools."""

import json
import shutil
from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from filelock import FileLock

from ssiuml.cli import passemble, ptool
from ssiuml.formats.pool.assembly import Member, Part, Pool
from ssiuml.formats.pool.config import load_config
from ssiuml.formats.pool.label import pool_id
from ssiuml.host import files
from ssiuml.images.pools import read_state

MIB = 1 << 20
ONE = "poolname one\nsubpools 1\nsubpool 0 0 1 gfs_data\npooldevice 0 0 /dev/loop1\n"
MANY = """poolname many
subpools 2
subpool 0 16 2 gfs_data
subpool 1 0 1 gfs_journal
pooldevice 0 0 /dev/a
pooldevice 0 1 /dev/b
pooldevice 1 0 /dev/c
"""


class Workspace:
    """Two labelled pools: `one` on the file loop1, `many` on the files a, b and c."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state" / "pools.json"
        for name, text, devices in (("one", ONE, ["loop1"]), ("many", MANY, ["a", "b", "c"])):
            config = folder / f"{name}.cf"
            config.write_text(text)
            words = [f"--device=/dev/{device}={folder / device}" for device in devices]
            for device in devices:
                files.create(folder / device, MIB)
            assert call_command(ptool.main, "--state", self.state, config, *words).status == 0

    def passemble(self, *words: str | Path) -> Outcome:
        return call_command(passemble.main, "--state", self.state, *words)

    def pools(self) -> dict[str, Pool]:
        return read_state(self.state).pools


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_state_file_that_cannot_be_written_or_is_locked_by_another_process_is_an_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.folder / "file").touch()
    ended = call_command(passemble.main, "--state", workspace.folder / "file" / "pools.json", "-r", "all")
    assert ended.status == 1
    assert "file/pools.json: the pools' state cannot be written: File exists" in ended.err
    monkeypatch.setattr("ssiuml.images.pools.LOCK_LIMIT_S", 0.1)
    with FileLock(f"{workspace.state}.lock"):
        ended = workspace.passemble()
    assert ended.status == 1
    assert "pools.json: another process has kept the pools' state for" in ended.err
    assert workspace.passemble().status == 0


def test_without_arguments_all_devices_that_ptool_labelled_are_searched(workspace: Workspace) -> None:
    ended = workspace.passemble()
    assert (ended.status, ended.err) == (0, "")
    file = {name: str(workspace.folder / name) for name in ("loop1", "a", "b", "c")}
    usable = (MIB - 8192) // 512
    data, journal = 0x68011670, 0x69011670
    assert workspace.pools() == {
        "one": Pool(
            "one",
            pool_id(load_config(workspace.folder / "one.cf")),
            (Part(0, data, (Member(file["loop1"], usable),)),),
        ),
        "many": Pool(
            "many",
            pool_id(load_config(workspace.folder / "many.cf")),
            (
                Part(16, data, (Member(file["a"], usable), Member(file["b"], usable))),
                Part(0, journal, (Member(file["c"], usable),)),
            ),
        ),
    }
    assert "/dev/pool/one: 1016 KiB\n  subpool 0 (gfs_data), one device\n" in ended.out
    assert f"    {file['loop1']} from byte 8192: 1016 KiB\n" in ended.out
    assert "  subpool 0 (gfs_data), stripes of 16 sectors\n" in ended.out


def test_with_arguments_only_these_files_are_searched(workspace: Workspace) -> None:
    assert workspace.passemble(workspace.folder / "loop1").status == 0
    assert list(workspace.pools()) == ["one"]
    assert workspace.passemble(*(workspace.folder / name for name in "cab")).status == 0
    assert sorted(workspace.pools()) == ["many", "one"]


def test_a_pool_that_was_copied_is_found_where_the_device_option_says(workspace: Workspace) -> None:
    copy = workspace.folder / "copy"
    shutil.copy(workspace.folder / "loop1", copy)
    assert workspace.passemble("--device", f"/dev/loop1={copy}").status == 0
    assert workspace.pools()["one"].paths == [copy]
    assert (
        workspace.passemble(workspace.folder / "a", workspace.folder / "b", workspace.folder / "c").status
        == 0
    )
    assert workspace.passemble().status == 0
    assert workspace.pools()["one"].paths == [copy]


def test_one_pool_or_all_pools_are_forgotten(workspace: Workspace) -> None:
    workspace.passemble()
    assert workspace.passemble("-r", "one").out == "/dev/pool/one: removed\n"
    assert list(workspace.pools()) == ["many"]
    ended = workspace.passemble("-r", "one")
    assert ended.status == 2
    assert "-r one: this pool is not assembled; assembled are: many" in ended.err
    assert workspace.passemble("-r", "all").out == "/dev/pool/many: removed\n"
    assert workspace.passemble("-r", "all").status == 0
    assert workspace.pools() == {}
    assert workspace.passemble().status == 0
    assert len(workspace.pools()) == 2


def test_a_pool_that_is_labelled_again_is_no_longer_assembled(workspace: Workspace) -> None:
    workspace.passemble()
    config = workspace.folder / "one.cf"
    words = ("--state", workspace.state, config, f"--device=/dev/loop1={workspace.folder / 'loop1'}")
    assert (
        "one is no longer assembled; run passemble to assemble it again"
        in call_command(ptool.main, *words).out
    )
    assert list(workspace.pools()) == ["many"]


def test_a_pool_with_a_missing_device_is_an_error_and_the_others_are_assembled(workspace: Workspace) -> None:
    ended = workspace.passemble(*(workspace.folder / name for name in ("a", "c", "loop1")))
    assert ended.status == 1
    assert "error: pool many: device 1 of subpool 0 is missing, it has 2\n  give its file" in ended.err
    assert list(workspace.pools()) == ["one"]
    ended = workspace.passemble(workspace.folder / "c")
    assert "pool many: all devices of subpool 0 are missing" in ended.err


def test_two_copies_of_one_device_are_an_error(workspace: Workspace) -> None:
    shutil.copy(workspace.folder / "loop1", workspace.folder / "copy")
    ended = workspace.passemble(workspace.folder / "loop1", workspace.folder / "copy")
    assert ended.status == 1
    assert "are both device 0 of subpool 0" in ended.err


def test_different_pools_of_one_name_are_an_error(workspace: Workspace) -> None:
    other = workspace.folder / "other.cf"
    other.write_text(ONE.replace("loop1", "x"))
    files.create(workspace.folder / "x", MIB)
    assert (
        call_command(
            ptool.main, "--state", workspace.state, other, f"--device=/dev/x={workspace.folder / 'x'}"
        ).status
        == 0
    )
    ended = workspace.passemble()
    assert ended.status == 1
    assert "belong to different pools with the same name, one\n" in ended.err
    assert list(workspace.pools()) == ["many"]


@pytest.mark.parametrize(
    ("name", "offset", "value", "message"),
    [
        ("b", 279, 3, "have different pl_subpools"),
        ("b", 307, 32, "differs from that of another device of subpool 0"),
        ("b", 287, 9, "differs from that of another device of subpool 0"),
        ("b", 283, 1, "device 1 of subpool 0 is missing"),
        ("a", 291, 7, "device 0 of subpool 0 is missing"),
        ("c", 291, 1, "device 0 of subpool 1 is missing"),
        ("c", 300, 9, "has 1048576 bytes, its label requires"),
        ("b", 303, 0, "stripes of 16 sectors do not fit"),
    ],
)
def test_labels_that_contradict_each_other_are_an_error(
    workspace: Workspace, name: str, offset: int, value: int, message: str
) -> None:
    path = workspace.folder / name
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(bytes([value]))
    ended = workspace.passemble(*(workspace.folder / each for each in "abc"))
    assert ended.status == 1
    assert ended.err.startswith("error: pool many: ")
    assert message in ended.err


def test_a_file_that_was_cut_off_is_an_error(workspace: Workspace) -> None:
    with (workspace.folder / "loop1").open("r+b") as stream:
        stream.truncate(MIB // 2)
    ended = workspace.passemble(workspace.folder / "loop1")
    assert ended.status == 1
    assert "has 524288 bytes, its label requires 1048576\n  get the file again if it was cut off" in ended.err


def test_a_file_without_label_is_an_error_and_a_missing_file_a_usage_error(workspace: Workspace) -> None:
    ended = workspace.passemble(workspace.folder / "one.cf")
    assert (ended.status, ended.err.splitlines()[0]) == (
        1,
        f"error: {workspace.folder / 'one.cf'}: has no pool label",
    )
    assert workspace.passemble(workspace.folder / "absent").status == 2


def test_files_that_are_gone_are_forgotten(workspace: Workspace) -> None:
    (workspace.folder / "loop1").unlink()
    ended = workspace.passemble()
    assert ended.status == 0
    assert "/dev/loop1: " in ended.err
    assert workspace.passemble().err == ""


def test_nothing_to_assemble_is_an_error(tmp_path: Path) -> None:
    ended = call_command(passemble.main, "--state", tmp_path / "pools.json")
    assert ended.status == 1
    assert ended.err == "error: no pool found\n  run ptool FILE.cf to make one\n"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "devices": [], "pools": {}}']
)
def test_a_damaged_state_file_is_an_error_with_its_name(workspace: Workspace, text: str) -> None:
    workspace.state.write_text(text)
    ended = workspace.passemble()
    assert ended.status == 1
    assert f"{workspace.state}: the pools' state is damaged" in ended.err


def test_forgetting_and_assembling_in_one_call_is_a_usage_error(workspace: Workspace) -> None:
    assert workspace.passemble("-r", "all", workspace.folder / "a").status == 2


def test_the_state_is_plain_json_for_other_programs(workspace: Workspace) -> None:
    workspace.passemble()
    values = json.loads(workspace.state.read_text())
    assert values["pools"]["one"]["parts"][0]["members"] == [
        {"path": str(workspace.folder / "loop1"), "sectors": 2032}
    ]
