"""Steps: when a result still stands, why it does not, and what an interruption leaves."""

import json
import os
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from programs import tool

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import digest_of, file_sha256, folder_digest
from ssiuml.pipeline.step import Step, StepError


@dataclass
class Bench:
    """A step in a folder of its own, with inputs to change and a count of how often it was made."""

    folder: Path
    inputs: dict[str, Any] = field(default_factory=lambda: {"size": 1, "names": ["a"]})
    made: int = 0
    failure: BaseException | None = None

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def stamp(self) -> Path:
        return self.folder / "steps" / "one.json"

    @property
    def cached(self) -> Path:
        return self.folder / "cached"

    def make(self) -> Mapping[str, Any]:
        self.made += 1
        assert not self.stamp.exists(), "the stamp is there while the step is being made"
        self.output.write_text(f"made {self.made}")
        self.cached.write_text("cached")
        if self.failure is not None:
            raise self.failure
        return {"number": self.made}

    def step(self) -> Step:
        return Step(
            name="one",
            stamp=self.stamp,
            inputs=lambda: self.inputs,
            make=self.make,
            files=(self.output,),
            cached=lambda results: [self.cached],
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_step_never_made_says_so(bench: Bench) -> None:
    assert bench.step().reasons() == ["it has not been made yet"]
    assert not bench.step().is_current()


def test_a_step_made_is_current_and_not_made_again(bench: Bench) -> None:
    bench.step().run()
    bench.step().run()
    assert bench.made == 1
    assert bench.step().reasons() == []


def test_a_step_after_does_not_go_by_what_is_measured(tmp_path: Path) -> None:
    times = iter([1.5, 2.5])

    def first(names: list[str]) -> Step:
        return Step(
            name="first",
            stamp=tmp_path / "first.json",
            inputs=lambda: {"names": names},
            make=lambda: {"nodes": len(names), "ready_s": next(times)},
            measured=("ready_s",),
        )

    def second(names: list[str]) -> Step:
        stamp = tmp_path / "second.json"
        return Step(name="second", stamp=stamp, after=(first(names),), inputs=dict, make=dict)

    first(["a"]).run()
    second(["a"]).run()
    first(["b"]).run()
    assert first(["b"]).results()["ready_s"] == 2.5
    assert second(["b"]).is_current()


def test_changed_code_is_one_reason_that_names_the_files(bench: Bench) -> None:
    step = replace(bench.step(), modules=("ssiuml.tree.layer", "ssiuml.tree.folders"))
    step.run()
    assert step.is_current()
    stamp = json.loads(bench.stamp.read_text())
    assert {"ssiuml/tree/layer.py", "ssiuml/tree/folders.py"} <= set(stamp["inputs"]["code"])
    stamp["inputs"]["code"]["ssiuml/tree/layer.py"] = "0" * 64
    bench.stamp.write_text(json.dumps(stamp))
    assert step.reasons() == ["changed: code: ssiuml/tree/layer.py"]
    for number in range(9):
        stamp["inputs"]["code"][f"a{number}.py"] = "0" * 64  # as if these files had existed
    bench.stamp.write_text(json.dumps(stamp))
    assert step.reasons() == ["changed: code: a0.py, a1.py, a2.py, a3.py, a4.py, a5.py and 4 more"]


def test_inputs_that_json_cannot_tell_apart_are_the_same(bench: Bench) -> None:
    bench.inputs = {"pair": (1, 2)}
    bench.step().run()
    bench.inputs = {"pair": [1, 2]}
    assert bench.step().is_current()


@pytest.mark.parametrize(
    ("inputs", "reasons"),
    [
        ({"size": 2, "names": ["a"]}, ["changed: size: 1 -> 2"]),
        ({"size": 1, "names": ["a", "b"]}, ["changed: names: +b"]),
        ({"size": 1}, ["changed: names: ['a'] -> absent"]),
        ({"size": 1, "names": ["a"], "more": 0}, ["changed: more: absent -> 0"]),
        ({"size": 1, "names": ["a"], "more": None}, ["changed: more: absent -> none"]),
        ({"size": 2, "names": []}, ["changed: names: -a", "changed: size: 1 -> 2"]),
    ],
)
def test_every_changed_input_is_named(bench: Bench, inputs: dict[str, Any], reasons: list[str]) -> None:
    bench.step().run()
    bench.inputs = inputs
    assert bench.step().reasons() == reasons
    bench.step().run()
    assert bench.made == 2
    assert bench.step().is_current()


@pytest.mark.parametrize("name", ["out", "cached"])
def test_an_output_that_is_gone_is_named_and_made_again(bench: Bench, name: str) -> None:
    bench.step().run()
    (bench.folder / name).unlink()
    assert bench.step().reasons() == [f"{bench.folder / name} is gone"]
    bench.step().run()
    assert (bench.folder / name).exists()
    assert bench.step().is_current()


@pytest.mark.parametrize("name", ["out", "cached"])
def test_a_truncated_output_is_named_and_made_again(bench: Bench, name: str) -> None:
    bench.step().run()
    state = (bench.folder / name).stat()
    os.truncate(bench.folder / name, 2)
    os.utime(bench.folder / name, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert bench.step().reasons() == [f"{bench.folder / name} was changed since"]
    bench.step().run()
    assert bench.made == 2


def test_an_output_written_anew_with_the_same_size_is_noticed(bench: Bench) -> None:
    bench.step().run()
    state = bench.output.stat()
    os.utime(bench.output, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert bench.step().reasons() == [f"{bench.output} was changed since"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}",
        '{"inputs": {}}',
        '{"inputs": {}, "results": {}}',
        '{"inputs": [], "results": {}, "outputs": {}}',
        '{"inputs": {}, "results": 1, "outputs": {}}',
        '{"inputs": {}, "results": {}, "outputs": null}',
        "\udcff",
    ],
)
def test_a_damaged_stamp_is_as_good_as_none(bench: Bench, text: str) -> None:
    bench.step().run()
    bench.stamp.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert bench.step().reasons() == ["it has not been made yet"]
    with pytest.raises(StepError, match="one"):
        bench.step().results()
    bench.step().run()
    assert bench.made == 2
    assert bench.step().is_current()


def test_a_stamp_cut_off_anywhere_is_never_taken_for_whole(bench: Bench) -> None:
    bench.step().run()
    text = bench.stamp.read_bytes()
    for length in range(len(text) - 1):  # the last byte is the line end
        bench.stamp.write_bytes(text[:length])
        assert not bench.step().is_current()


def test_a_step_in_a_copied_checkout_goes_by_its_own_files(tmp_path: Path) -> None:
    first = Bench(tmp_path / "first")
    first.folder.mkdir()
    first.step().run()
    tool("cp", "-a", first.folder, tmp_path / "copy")
    copy = Bench(tmp_path / "copy")
    assert copy.step().is_current()
    copy.output.write_text("other")
    copy.cached.unlink()
    assert copy.step().reasons() == [f"{copy.cached} is gone", f"{copy.output} was changed since"]
    assert first.step().is_current()


def test_a_step_in_a_moved_checkout_is_still_current(tmp_path: Path) -> None:
    first = Bench(tmp_path / "first")
    first.folder.mkdir()
    first.step().run()
    assert Bench(first.folder.rename(tmp_path / "moved")).step().is_current()


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(143), KeyboardInterrupt()])
def test_a_make_that_fails_leaves_no_stamp(bench: Bench, failure: BaseException) -> None:
    bench.step().run()
    bench.inputs = {"size": 2}
    bench.failure = failure
    with pytest.raises(type(failure)):
        bench.step().run()
    assert not bench.stamp.exists()
    bench.failure = None
    bench.inputs = {"size": 1, "names": ["a"]}  # those of the first time, whose outputs are overwritten
    assert not bench.step().is_current()


def test_inputs_that_cannot_be_computed_are_a_reason_not_an_error(bench: Bench) -> None:
    bench.step().run()

    def inputs() -> Mapping[str, Any]:
        raise SsiumlError("step 'before' has not been made yet")

    step = Step(name="one", stamp=bench.stamp, inputs=inputs, make=bench.make)
    assert step.reasons() == ["what it depends on does not exist: step 'before' has not been made yet"]


def test_a_file_missing_among_the_inputs_is_a_reason_that_names_it(bench: Bench) -> None:
    bench.step().run()
    absent = bench.folder / "absent"
    step = Step(
        name="one", stamp=bench.stamp, inputs=lambda: {"sha256": file_sha256(absent)}, make=bench.make
    )
    (reason,) = step.reasons()
    assert str(absent) in reason
    with pytest.raises(FileNotFoundError):
        step.run()
    assert bench.made == 1


def test_inputs_are_those_from_before_the_step_was_made(bench: Bench) -> None:
    """What changes while a step runs makes it stale: the new value may not have been used."""

    def make() -> Mapping[str, Any]:
        bench.inputs = {"size": 2}
        return {}

    Step(name="one", stamp=bench.stamp, inputs=lambda: bench.inputs, make=make).run()
    assert not bench.step().is_current()


def test_inputs_are_taken_once_the_host_is_prepared(tmp_path: Path) -> None:
    """A compiler that only the step installs would otherwise be another input the next time."""
    compiler = tmp_path / "compiler"

    def inputs() -> dict[str, bool]:
        return {"compiler": compiler.exists()}

    step = Step(
        name="one", stamp=tmp_path / "one.json", inputs=inputs, make=lambda: {}, prepare=compiler.touch
    )
    step.run()
    assert step.reasons() == []


def test_another_result_of_a_step_before_is_a_reason_that_names_it(bench: Bench) -> None:
    bench.step().run()
    after = Step(
        name="two", stamp=bench.folder / "two.json", after=(bench.step(),), inputs=dict, make=dict, files=()
    )
    after.run()
    assert after.is_current()
    bench.inputs = {"size": 2}
    bench.step().run()  # its result is the number of times it was made
    (reason,) = after.reasons()
    assert re.fullmatch(r"changed: result of one: [0-9a-f]{12} -> [0-9a-f]{12}", reason)


def test_a_step_after_one_that_was_not_made_says_so_and_cannot_be_made(bench: Bench) -> None:
    bench.step().run()
    after = Step(name="two", stamp=bench.folder / "two.json", after=(bench.step(),), inputs=dict, make=dict)
    after.run()
    bench.stamp.unlink()
    (reason,) = after.reasons()
    assert "'one' has not been made" in reason
    with pytest.raises(StepError, match="'one' has not been made"):
        after.run()


def test_the_same_result_of_a_step_made_again_is_no_reason(bench: Bench) -> None:
    bench.step().run()
    after = Step(name="two", stamp=bench.folder / "two.json", after=(bench.step(),), inputs=dict, make=dict)
    after.run()
    bench.output.unlink()
    bench.made = 0
    bench.step().run()
    assert after.is_current()


def test_results_are_what_make_gave(bench: Bench) -> None:
    bench.step().run()
    assert bench.step().results() == {"number": 1}
    assert bench.step().digest() == digest_of({"number": 1})


def test_results_of_a_step_not_made_are_an_error_that_names_it(bench: Bench) -> None:
    with pytest.raises(StepError, match="'one' has not been made"):
        bench.step().results()


def test_a_step_without_files_is_current(tmp_path: Path) -> None:
    step = Step(name="one", stamp=tmp_path / "s.json", inputs=dict, make=dict)
    step.run()
    assert step.is_current()


def test_the_stamp_is_json_that_names_the_step(bench: Bench) -> None:
    bench.step().run()
    assert json.loads(bench.stamp.read_text())["step"] == "one"


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": [1, 2]}) != digest_of({"a": [2, 1]})


@pytest.mark.parametrize(
    ("data", "sha256"),
    [  # FIPS 180-4 test values, by NIST
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ],
)
def test_file_sha256_is_sha256(tmp_path: Path, data: bytes, sha256: str) -> None:
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    (folder / "below").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "below" / "two").write_text("2")
    return folder


def change_bytes(folder: Path) -> None:
    (folder / "below" / "two").write_text("3")


def rename(folder: Path) -> None:
    (folder / "one").rename(folder / "uno")


def move_down(folder: Path) -> None:
    (folder / "one").rename(folder / "below" / "one")


def add_empty(folder: Path) -> None:
    (folder / "three").touch()


def make_executable(folder: Path) -> None:
    (folder / "one").chmod(0o755)


@pytest.mark.parametrize("change", [change_bytes, rename, move_down, add_empty, make_executable])
def test_folder_digest_sees_every_change(folder: Path, change: types.FunctionType) -> None:
    before = folder_digest(folder)
    change(folder)
    assert folder_digest(folder) != before


def test_folder_digest_sees_no_times_no_umask_and_no_bytecode(folder: Path) -> None:
    before = folder_digest(folder)
    os.utime(folder / "one", (1, 1))
    (folder / "one").chmod(0o640)
    (folder / "below" / "__pycache__").mkdir()
    (folder / "below" / "__pycache__" / "two.pyc").write_text("x")
    assert folder_digest(folder) == before


def test_folder_digest_is_the_same_for_a_copy_elsewhere(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "below").mkdir(parents=True)
    (copy / "below" / "two").write_text("2")
    (copy / "one").write_text("1")
    assert folder_digest(copy) == folder_digest(folder)
