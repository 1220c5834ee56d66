"""passemble: where /dev/pool/NAME lies, and pools that are not whole."""

import json
import shutil
from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from filelock import FileLock

from ssiuml.cli import passemble, ptool
from ssiuml.formats.pool.assembly import Member, Part, Pool, read_state
from ssiuml.formats.pool.config import load_config
from ssiuml.formats.pool.label import pool_id
from ssiuml.host import files

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


class Bench:
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
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_state_file_that_cannot_be_written_or_is_held_by_another_is_an_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / "file").touch()
    ended = call_command(passemble.main, "--state", bench.folder / "file" / "pools.json", "-r", "all")
    assert ended.status == 1
    assert "file/pools.json: the pools' state cannot be written: File exists" in ended.err
    monkeypatch.setattr("ssiuml.formats.pool.assembly.LOCK_LIMIT_S", 0.1)
    with FileLock(f"{bench.state}.lock"):
        ended = bench.passemble()
    assert ended.status == 1
    assert "pools.json: another process has kept the pools' state for" in ended.err
    assert bench.passemble().status == 0


def test_what_ptool_has_labelled_is_found_without_naming_it(bench: Bench) -> None:
    ended = bench.passemble()
    assert (ended.status, ended.err) == (0, "")
    file = {name: str(bench.folder / name) for name in ("loop1", "a", "b", "c")}
    usable = (MIB - 8192) // 512
    data, journal = 0x68011670, 0x69011670
    assert bench.pools() == {
        "one": Pool(
            "one",
            pool_id(load_config(bench.folder / "one.cf")),
            (Part(0, data, (Member(file["loop1"], usable),)),),
        ),
        "many": Pool(
            "many",
            pool_id(load_config(bench.folder / "many.cf")),
            (
                Part(16, data, (Member(file["a"], usable), Member(file["b"], usable))),
                Part(0, journal, (Member(file["c"], usable),)),
            ),
        ),
    }
    assert "/dev/pool/one: 1016 KiB\n  subpool 0 (gfs_data), one device\n" in ended.out
    assert f"    {file['loop1']} from byte 8192: 1016 KiB\n" in ended.out
    assert "  subpool 0 (gfs_data), stripes of 16 sectors\n" in ended.out


def test_only_the_files_that_are_named_are_looked_at(bench: Bench) -> None:
    assert bench.passemble(bench.folder / "loop1").status == 0
    assert list(bench.pools()) == ["one"]
    assert bench.passemble(*(bench.folder / name for name in "cab")).status == 0
    assert sorted(bench.pools()) == ["many", "one"]


def test_a_pool_that_was_copied_is_found_where_the_device_option_says(bench: Bench) -> None:
    copy = bench.folder / "copy"
    shutil.copy(bench.folder / "loop1", copy)
    assert bench.passemble("--device", f"/dev/loop1={copy}").status == 0
    assert bench.pools()["one"].paths == [copy]
    assert bench.passemble(bench.folder / "a", bench.folder / "b", bench.folder / "c").status == 0
    assert bench.passemble().status == 0
    assert bench.pools()["one"].paths == [copy]


def test_one_pool_or_all_are_removed(bench: Bench) -> None:
    bench.passemble()
    assert bench.passemble("-r", "one").out == "/dev/pool/one: removed\n"
    assert list(bench.pools()) == ["many"]
    ended = bench.passemble("-r", "one")
    assert ended.status == 2
    assert "-r one: this pool is not assembled; assembled are: many" in ended.err
    assert bench.passemble("-r", "all").out == "/dev/pool/many: removed\n"
    assert bench.passemble("-r", "all").status == 0
    assert bench.pools() == {}
    assert bench.passemble().status == 0
    assert len(bench.pools()) == 2


def test_a_pool_that_is_labelled_anew_has_to_be_assembled_anew(bench: Bench) -> None:
    bench.passemble()
    config = bench.folder / "one.cf"
    words = ("--state", bench.state, config, f"--device=/dev/loop1={bench.folder / 'loop1'}")
    assert "one was assembled; passemble assembles it anew" in call_command(ptool.main, *words).out
    assert list(bench.pools()) == ["many"]


def test_a_pool_with_a_missing_device_is_an_error_and_the_others_are_assembled(bench: Bench) -> None:
    ended = bench.passemble(*(bench.folder / name for name in ("a", "c", "loop1")))
    assert ended.status == 1
    assert "error: pool many: device 1 of subpool 0 is missing, it has 2\n  name its file" in ended.err
    assert list(bench.pools()) == ["one"]
    ended = bench.passemble(bench.folder / "c")
    assert "pool many: no device of subpool 0 is there" in ended.err


def test_two_copies_of_one_device_are_an_error(bench: Bench) -> None:
    shutil.copy(bench.folder / "loop1", bench.folder / "copy")
    ended = bench.passemble(bench.folder / "loop1", bench.folder / "copy")
    assert ended.status == 1
    assert "are both device 0 of subpool 0" in ended.err


def test_different_pools_of_one_name_are_an_error(bench: Bench) -> None:
    other = bench.folder / "other.cf"
    other.write_text(ONE.replace("loop1", "x"))
    files.create(bench.folder / "x", MIB)
    assert (
        call_command(
            ptool.main, "--state", bench.state, other, f"--device=/dev/x={bench.folder / 'x'}"
        ).status
        == 0
    )
    ended = bench.passemble()
    assert ended.status == 1
    assert "belong to different pools with the same name, one\n" in ended.err
    assert list(bench.pools()) == ["many"]


@pytest.mark.parametrize(
    ("name", "offset", "value", "message"),
    [
        ("b", 279, 3, "tell different numbers of subpools"),
        ("b", 307, 32, "describes subpool 0 unlike its other devices"),
        ("b", 287, 9, "describes subpool 0 unlike its other devices"),
        ("b", 283, 1, "device 1 of subpool 0 is missing"),
        ("a", 291, 7, "device 0 of subpool 0 is missing"),
        ("c", 291, 1, "device 0 of subpool 1 is missing"),
        ("c", 300, 9, "has 1048576 bytes, by its label it needs"),
        ("b", 303, 0, "stripes of 16 sectors do not fit"),
    ],
)
def test_labels_that_contradict_each_other_are_an_error(
    bench: Bench, name: str, offset: int, value: int, message: str
) -> None:
    path = bench.folder / name
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(bytes([value]))
    ended = bench.passemble(*(bench.folder / each for each in "abc"))
    assert ended.status == 1
    assert ended.err.startswith("error: pool many: ")
    assert message in ended.err


def test_a_file_that_was_cut_off_is_an_error(bench: Bench) -> None:
    with (bench.folder / "loop1").open("r+b") as stream:
        stream.truncate(MIB // 2)
    ended = bench.passemble(bench.folder / "loop1")
    assert ended.status == 1
    assert "has 524288 bytes, by its label it needs 1048576\n  was it cut off?" in ended.err


def test_a_file_without_label_is_an_error_and_one_that_is_not_there_a_wrong_call(bench: Bench) -> None:
    ended = bench.passemble(bench.folder / "one.cf")
    assert (ended.status, ended.err.splitlines()[0]) == (
        1,
        f"error: {bench.folder / 'one.cf'}: has no pool label",
    )
    assert bench.passemble(bench.folder / "absent").status == 2


def test_files_that_are_gone_are_forgotten(bench: Bench) -> None:
    (bench.folder / "loop1").unlink()
    ended = bench.passemble()
    assert ended.status == 0
    assert "/dev/loop1: " in ended.err
    assert bench.passemble().err == ""


def test_nothing_to_assemble_is_an_error(tmp_path: Path) -> None:
    ended = call_command(passemble.main, "--state", tmp_path / "pools.json")
    assert ended.status == 1
    assert ended.err == "error: no pool found\n  ptool FILE.cf makes one\n"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "devices": [], "pools": {}}']
)
def test_a_damaged_state_file_is_an_error_with_its_name(bench: Bench, text: str) -> None:
    bench.state.write_text(text)
    ended = bench.passemble()
    assert ended.status == 1
    assert f"{bench.state}: the pools' state is damaged" in ended.err


def test_removing_and_assembling_at_once_is_a_wrong_call(bench: Bench) -> None:
    assert bench.passemble("-r", "all", bench.folder / "a").status == 2


def test_the_state_is_plain_json_for_other_programs(bench: Bench) -> None:
    bench.passemble()
    values = json.loads(bench.state.read_text())
    assert values["pools"]["one"]["parts"][0]["members"] == [
        {"path": str(bench.folder / "loop1"), "sectors": 2032}
    ]
