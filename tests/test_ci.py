"""What ./run ci makes of its parts, with doit itself in a project whose tasks do what the test needs."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ssiuml.ci import PARTS, CiError, run_parts
from ssiuml.errors import UsageError

DODO = """\
import sys
from doit import get_var
from doit.exceptions import TaskFailed

RECIPE = get_var("recipe", "none")
SAYS = {says}


def does(name):
    def action():
        with open("done", "a") as stream:
            stream.write(name + " of " + RECIPE + "\\n")
        said = SAYS.get(name + " of " + RECIPE) or SAYS.get(name)
        return TaskFailed(said) if said else None
    return {{"actions": [action], "verbosity": 2}}


def task_lint():
    return does("lint")


def task_test():
    return does("test")


def task_fetch():
    return does("fetch")


def task_release():
    return does("release")
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Makes a project; tasks fail with what *says* has for them."""

    def make(says: Mapping[str, str]) -> Path:
        (tmp_path / "dodo.py").write_text(DODO.format(says=dict(says)))
        return tmp_path

    return make


def done(project: Path) -> list[str]:
    return (project / "done").read_text().splitlines()


Make = Callable[[Mapping[str, str]], Path]
EVERYTHING = ["lint of none", "test of none", "release of bookworm", "fetch of rh72", "release of rh72"]


def test_all_parts_run_in_order_and_are_told(project: Make, capfd: pytest.CaptureFixture[str]) -> None:
    folder = project({})
    run_parts(list(PARTS), folder, {})
    assert done(folder) == EVERYTHING
    told = capfd.readouterr().out.splitlines()[-len(PARTS) :]
    assert [line.split() for line in told] == [[name, "done"] for name in PARTS]


def test_a_part_that_fails_does_not_keep_the_others_from_running(
    project: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = project({"lint": "not clean", "release of bookworm": "no room"})
    with pytest.raises(CiError, match="failed: lint, release"):
        run_parts(list(PARTS), folder, {})
    assert done(folder) == EVERYTHING
    told = capfd.readouterr().out
    assert "not clean" in told
    assert "release    FAILED: ./run recipe=bookworm release\n" in told
    assert "rh72       done\n" in told


def test_sources_that_no_mirror_has_leave_rh72_out_and_that_is_no_failure(
    project: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = project({"fetch": "sources.base: no mirror has given it"})
    summary = tmp_path / "summary"
    summary.write_text("what was there\n")
    run_parts(["release", "rh72"], folder, {"GITHUB_STEP_SUMMARY": str(summary)})
    assert done(folder) == ["release of bookworm", "fetch of rh72"]
    assert "left out: sources.base: no mirror has given it" in capfd.readouterr().out.splitlines()[-1]
    before, release, rh72 = summary.read_text().splitlines()
    assert before == "what was there"
    assert release.split() == ["-", "release", "done"]
    assert "rh72" in rh72
    assert "left out" in rh72


def test_sources_that_have_changed_are_a_failure(project: Make) -> None:
    folder = project({"fetch": "base.bz2: has SHA-256 12, rh72.lock wants 34"})
    with pytest.raises(CiError, match="failed: rh72"):
        run_parts(["rh72"], folder, {})


def test_a_part_that_there_is_none_of_is_refused_before_anything_runs(project: Make) -> None:
    folder = project({})
    with pytest.raises(UsageError, match="no such part") as caught:
        run_parts(["lint", "everything"], folder, {})
    assert "lint test release rh72" in str(caught.value)
    assert not (folder / "done").exists()
