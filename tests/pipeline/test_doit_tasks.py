"""Steps as tasks of doit: what is reported how, and what clean removes."""

import errno
import sys
from pathlib import Path

import pytest
from doit.exceptions import InvalidTask, TaskFailed
from doit.task import dict_to_task

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import session
from ssiuml.pipeline import doit_tasks
from ssiuml.pipeline.step import Step


def failing(error: BaseException) -> TaskFailed | None:
    def action() -> None:
        raise error

    return doit_tasks.reported(action)()


def test_an_action_that_works_gives_nothing_for_doit_to_judge() -> None:
    # doit takes False for failure and refuses other values.
    assert doit_tasks.reported(lambda: None)() is None


def test_an_actions_arguments_reach_it() -> None:
    seen: list[object] = []
    doit_tasks.reported(lambda *args, **more: seen.append((args, more)))(1, two=2)
    assert seen == [((1,), {"two": 2})]


def test_a_users_error_fails_the_task_with_message_and_hint_alone() -> None:
    failed = failing(UsageError("wrong", hint="do that"))
    assert isinstance(failed, TaskFailed)
    assert failed.get_msg().strip() == "wrong\n  do that"
    assert not failed.traceback


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/b"),
            "/a/b: No such file or directory",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "the host: No space left on device"),
    ],
)
def test_an_error_of_the_host_names_the_file_and_the_reason(error: OSError, message: str) -> None:
    failed = failing(error)
    assert isinstance(failed, TaskFailed)
    assert failed.get_msg().strip() == message


@pytest.mark.parametrize("error", [ValueError("bug"), OSError("odd"), KeyboardInterrupt(), SystemExit(143)])
def test_what_no_user_causes_goes_on(error: BaseException) -> None:
    with pytest.raises(type(error)):
        failing(error)


def test_loading_turns_a_users_error_into_doits_own_and_no_other() -> None:
    def wrong() -> None:
        raise SsiumlError("recipes/mine.yaml:3: wrong")

    def bug() -> None:
        raise ValueError("bug")

    assert doit_tasks.load(lambda: 3) == 3
    with pytest.raises(InvalidTask, match=r"^recipes/mine\.yaml:3: wrong$"):
        doit_tasks.load(wrong)
    with pytest.raises(ValueError, match="bug"):
        doit_tasks.load(bug)


def test_python_is_this_python() -> None:
    assert doit_tasks.python("pytest", "-m", "not long") == [sys.executable, "-m", "pytest", "-m", "not long"]


@pytest.fixture
def fetch(tmp_path: Path) -> Step:
    """A step whose stamp lies in the cache."""
    return Step(name="fetch", task="fetch", stamp=tmp_path / "cache" / "fetch.json", inputs=dict, make=dict)


@pytest.fixture
def mkfs(tmp_path: Path, fetch: Step) -> Step:
    out = tmp_path / "out"
    stamp, files = out / "steps" / "mkfs.json", (out / "a" / "root_fs",)
    return Step(name="mkfs", task="mkfs", stamp=stamp, after=(fetch,), inputs=dict, make=dict, files=files)


def test_a_task_of_a_step_is_one_that_doit_takes(tmp_path: Path, fetch: Step, mkfs: Step) -> None:
    values = doit_tasks.task_of(mkfs, tmp_path / "out", doc="Format.")
    task = dict_to_task({"name": values.pop("basename"), **values})
    assert task.name == "mkfs"
    assert task.file_dep == set()  # the step itself knows whether it is current
    assert task.targets == [str(path) for path in (mkfs.stamp, *mkfs.files)]
    assert task.task_dep == ["host-tools", "fetch"]
    assert task.doc == "Format."


def test_the_action_takes_the_lock_and_makes_the_step(
    tmp_path: Path, fetch: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []
    monkeypatch.setattr(session, "begin", begun.append)
    task = doit_tasks.task_of(fetch, tmp_path / "out")
    assert not task["uptodate"][0]()
    task["actions"][0]()
    assert begun == [tmp_path / "out"]
    assert task["uptodate"][0]()


def test_clean_touches_nothing_outside_of_the_images_folder(tmp_path: Path, fetch: Step, mkfs: Step) -> None:
    def paths_of(step: Step) -> list[Path]:
        ((_, (paths, _)),) = doit_tasks.task_of(step, tmp_path / "out")["clean"]
        return list(paths)

    assert paths_of(fetch) == []
    assert paths_of(mkfs) == [mkfs.stamp, *mkfs.files, mkfs.duration_file]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    for name in ("a/b/one", "a/two", "top"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("x")
    return out


def names_in(out: Path) -> set[str]:
    """What is below *out*, without the build lock that clean takes."""
    return {str(path.relative_to(out)) for path in out.rglob("*") if not path.name.startswith(".lock")}


def test_clean_removes_files_and_folders_that_are_empty_then(
    left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doit_tasks.clean([left / "a/b/one", left / "top", left / "absent"], left, dryrun=False)
    assert names_in(left) == {"a", "a/two"}
    assert capsys.readouterr().out.splitlines() == [f"removing '{left}/a/b/one'", f"removing '{left}/top'"]
    doit_tasks.clean([left / "a/two"], left, dryrun=False)
    assert left.is_dir()
    assert names_in(left) == set()


def test_a_dry_clean_only_says_what_it_would_remove(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = names_in(left)
    doit_tasks.clean([left / "a/b/one"], left, dryrun=True)
    assert names_in(left) == before
    assert "a/b/one" in capsys.readouterr().out
