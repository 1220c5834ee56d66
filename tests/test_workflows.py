"""GitHub's workflows: what shell steps do, run here with stand-ins for the commands that they call."""

import subprocess
from pathlib import Path

import pytest
import yaml
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.release.version import VERSION
from ssiuml.sources.mirrors import fetch_from_mirrors

WORKFLOWS = PROJECT / ".github" / "workflows"
# How GitHub runs a step with ``shell: bash``.
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
RUN = """\
#!/bin/sh
echo "$*" >>calls
case $* in *fetch) cat answer >&2 && exit "$(cat status)" ;; esac
"""


def refusal(origin: Path, folder: Path) -> str:
    """Return what a build prints if its only mirror has the file *origin*, and another one was pinned."""
    with pytest.raises(SsiumlError) as error:
        fetch_from_mirrors(
            [origin.as_uri()],
            folder / "fetched",
            sha256="0" * 64,
            limit_bytes=1000,
            show=print,
            on_bytes=lambda done, total: None,
        )
    return f"sources.base: {error.value}\n"


def release_of_rh72(folder: Path, answer: str, status: int) -> tuple[int, list[str], str]:
    """Run the step with a ./run whose fetch prints *answer* and ends with *status*.

    Return the step's exit status, the calls of ./run, and the job's summary.
    """
    steps = yaml.safe_load((WORKFLOWS / "release.yml").read_text())["jobs"]["build"]["steps"]
    (step,) = [each for each in steps if "recipe=rh72" in each.get("run", "")]
    assert step["shell"] == "bash"
    (folder / "run").write_text(RUN)
    (folder / "run").chmod(0o755)
    (folder / "answer").write_text(answer)
    (folder / "status").write_text(str(status))
    (folder / "summary").touch()
    environ = {"RUNNER_TEMP": str(folder), "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    done = subprocess.run(
        [*BASH, "-c", step["run"]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer in done.stdout
    return done.returncode, (folder / "calls").read_text().splitlines(), (folder / "summary").read_text()


def test_rh72_is_released_if_its_sources_were_fetched(tmp_path: Path) -> None:
    calls = ["recipe=rh72 fetch", "recipe=rh72 release"]
    assert release_of_rh72(tmp_path, "fetched\n", 0) == (0, calls, "")


def test_rh72_is_left_out_and_the_summary_says_so_if_no_mirror_has_a_source(tmp_path: Path) -> None:
    answer = refusal(tmp_path / "absent", tmp_path)
    status, calls, summary = release_of_rh72(tmp_path, answer, 1)
    assert (status, calls) == (0, ["recipe=rh72 fetch"])
    assert "rh72 is left out" in summary


def test_a_mirror_that_gives_another_file_fails_the_release(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    answer = refusal(tmp_path / "other", tmp_path)
    assert release_of_rh72(tmp_path, answer, 1) == (1, ["recipe=rh72 fetch"], "")


@pytest.mark.parametrize("status", [1, 2, 3])
def test_any_other_failure_to_fetch_fails_the_release(tmp_path: Path, status: int) -> None:
    answer = "recipes/rh72.yaml:3: filesytem: no such key\n"
    assert release_of_rh72(tmp_path, answer, status) == (1, ["recipe=rh72 fetch"], "")


@pytest.mark.parametrize(("tag", "status"), [(f"v{VERSION}", 0), ("v99.0", 1), (f"v{VERSION}.1", 1)])
def test_a_tag_of_another_version_is_not_released(tag: str, status: int) -> None:
    steps = yaml.safe_load((WORKFLOWS / "release.yml").read_text())["jobs"]["build"]["steps"]
    (line,) = [each["run"] for each in steps if "GITHUB_REF_NAME" in each.get("run", "")]
    environ = {"PATH": "/usr/bin:/bin", "GITHUB_REF_NAME": tag}
    done = subprocess.run([*BASH, "-c", line], cwd=PROJECT, env=environ, check=False, timeout=60)
    assert done.returncode == status


def test_a_called_workflow_has_a_group_of_its_own() -> None:
    """With one group for both, the called workflow would wait for its caller, or end it."""
    loaded = {path.name: yaml.safe_load(path.read_text()) for path in WORKFLOWS.glob("*.yml")}
    groups = [workflow["concurrency"]["group"] for workflow in loaded.values()]
    assert len(set(groups)) == len(groups)
    assert not [group for group in groups if "github.workflow" in group]


def test_jobs_keep_the_cache_that_they_use() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "test.yml").read_text())
    kept = [
        step["with"]["path"]
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/cache@")
    ]
    assert set(kept) == {"${{ env.SSIUML_CACHE }}"}
    assert Path(workflow["env"]["SSIUML_CACHE"]).is_absolute()
