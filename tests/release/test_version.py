"""The name of a release, in repositories that git makes."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import NOBODY, output_of

from ssiuml.errors import SsiumlError
from ssiuml.release.version import VERSION, known_release, left_parts, other_snapshots, release_of

TAG = f"v{VERSION}"
Git = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of the user and the system for git do not apply."""
    (tmp_path / "gitconfig").touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def _git_in(folder: Path) -> Git:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        return output_of("git", "-C", folder, *identity, *words)

    return git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of two commits with one file."""
    folder = tmp_path / "project"
    folder.mkdir()
    git = _git_in(folder)
    git("init", "--quiet", "--initial-branch=main")
    for text in ("one", "two"):
        (folder / "file").write_text(text)
        git("add", "file")
        git("commit", "--quiet", "--message", text)
    return folder


@pytest.fixture
def git(project: Path) -> Git:
    return _git_in(project)


def _rel(project: Path) -> str:
    return release_of(project).removeprefix(f"{VERSION}-")


def test_sources_without_a_repository_are_release_0(tmp_path: Path) -> None:
    assert release_of(tmp_path) == f"{VERSION}-0"


def test_commits_are_counted_and_the_last_one_is_named(project: Path, git: Git) -> None:
    assert _rel(project) == f"2.g{git('rev-parse', 'HEAD')[:12]}"


@pytest.mark.parametrize("how", [(), ("--annotate", "--message=x")], ids=["light", "annotated"])
def test_the_tag_of_the_version_is_release_1(project: Path, git: Git, how: tuple[str, ...]) -> None:
    git("tag", *how, TAG)
    git("tag", "another")
    # git then prints tags in columns.
    git("config", "column.ui", "always")
    assert _rel(project) == "1"


@pytest.mark.parametrize("name", [f"{TAG}.1", f"x{TAG}", "v0", f"{TAG}/rc"])
def test_a_tag_of_another_name_does_not_count(project: Path, git: Git, name: str) -> None:
    git("tag", name)
    assert _rel(project).startswith("2.g")


def test_a_tag_of_another_commit_and_a_branch_of_that_name_do_not_count(project: Path, git: Git) -> None:
    git("tag", TAG, "HEAD~1")
    git("branch", TAG)
    assert _rel(project).startswith("2.g")


def test_a_changed_file_at_the_tag_is_dirty_and_not_release_1(project: Path, git: Git) -> None:
    git("tag", TAG)
    (project / "file").write_text("three")
    assert _rel(project) == f"2.g{git('rev-parse', 'HEAD')[:12]}.dirty"
    (project / "file").unlink()
    assert _rel(project).endswith(".dirty")


def test_a_staged_change_is_dirty(project: Path, git: Git) -> None:
    (project / "new").touch()
    git("add", "new")
    assert _rel(project).endswith(".dirty")


def test_untracked_files_and_changed_times_do_not_count(project: Path, git: Git) -> None:
    git("tag", TAG)
    (project / "new").touch()
    os.utime(project / "file", (1, 1))
    assert _rel(project) == "1"


def test_a_linked_working_tree_counts_its_own_commits(project: Path, git: Git, tmp_path: Path) -> None:
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), "HEAD~1")
    assert _rel(tmp_path / "tree") == f"1.g{git('rev-parse', 'HEAD~1')[:12]}"


def test_the_environment_of_a_git_hook_does_not_matter(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = release_of(project)
    other = tmp_path / "other"
    output_of("git", "clone", "--quiet", "--no-local", f"file://{project}", other)
    (other / "file").write_text("changed")
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "nothing"),
        "GIT_NAMESPACE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    assert release_of(project) == before


def test_a_shallow_clone_is_refused_except_at_the_tag(project: Path, git: Git, tmp_path: Path) -> None:
    git("tag", TAG)
    for name, tags in (("with", "--branch=" + TAG), ("without", "--no-tags")):
        output_of("git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth=1", tags,
                  f"file://{project}", tmp_path / name)  # fmt: skip
    assert _rel(tmp_path / "with") == "1"
    with pytest.raises(SsiumlError, match="shallow") as caught:
        release_of(tmp_path / "without")
    assert caught.value.hint is not None
    assert "--unshallow" in caught.value.hint
    assert known_release(tmp_path / "without") == VERSION
    assert known_release(project) == release_of(project)
    subprocess.run(["git", "-C", tmp_path / "without", *caught.value.hint.split()[2:], "-q"], check=True)
    assert _rel(tmp_path / "without") == "1"


def test_a_damaged_repository_is_an_error_with_a_hint(project: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD").strip()
    (project / ".git" / "objects" / head[:2] / head[2:]).unlink()
    with pytest.raises(SsiumlError, match="git cannot tell") as caught:
        release_of(project)
    assert caught.value.hint


def test_a_repository_without_a_commit_is_an_error(tmp_path: Path) -> None:
    output_of("git", "init", "--quiet", tmp_path)
    with pytest.raises(SsiumlError, match=re.escape(str(tmp_path))):
        release_of(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_an_error_unless_git_config_calls_it_safe(
    project: Path, tmp_path: Path
) -> None:
    output_of("chown", "-R", f"{NOBODY}:{NOBODY}", project)
    with pytest.raises(SsiumlError, match="dubious ownership") as caught:
        release_of(project)
    assert "safe.directory" in str(caught.value.hint)
    (tmp_path / "gitconfig").write_text(f"[safe]\n\tdirectory = {project}\n")
    assert _rel(project).startswith("2.g")


# other_snapshots

RELEASE = "0.1.0-12.g0123456789ab"
MADE = f"ssiuml-root-trixie-{RELEASE}.tar.bz2"


@pytest.mark.parametrize(
    "name",
    [
        "ssiuml-root-trixie-0.1.0-11.gfedcba987654.tar.bz2",
        "ssiuml-root-trixie-0.1.0-11.gfedcba987654.dirty.tar.xz",
        "ssiuml-root-trixie-0.0.9-3.gfedcba987654.tar.zst",
    ],
)
def test_an_untagged_tarball_of_the_same_root_is_superseded(tmp_path: Path, name: str) -> None:
    for each in (MADE, name):
        (tmp_path / each).touch()
    assert other_snapshots(tmp_path / MADE, RELEASE) == [tmp_path / name]


@pytest.mark.parametrize(
    "name",
    [
        MADE,
        "ssiuml-root-trixie-0.1.0-1.tar.bz2",
        "ssiuml-root-trixie-0.1.0-0.tar.bz2",
        "ssiuml-root-trixie-min-0.1.0-11.gfedcba987654.tar.bz2",
        "ssiuml-utils-0.1.0-11.gfedcba987654.tar.bz2",
        "my-ssiuml-root-trixie-0.1.0-11.gfedcba987654.tar.bz2",
        "ssiuml-root-trixie-0.1.0-11.gfedcba987654.tar.bz2.part",
        "SHA256SUMS",
    ],
)
def test_tagged_releases_and_other_tarballs_stay(tmp_path: Path, name: str) -> None:
    for each in (MADE, name):
        (tmp_path / each).touch()
    assert other_snapshots(tmp_path / MADE, RELEASE) == []


def test_what_killed_builds_have_left_of_a_tarball_is_found_for_each_commit(tmp_path: Path) -> None:
    left = [f".{MADE}.part", ".ssiuml-root-trixie-0.1.0-11.gfedcba987654.tar.xz.part"]
    for name in (*left, MADE, ".ssiuml-utils-0.1.0-11.gfedcba987654.tar.bz2.part", ".SHA256SUMS.part"):
        (tmp_path / name).touch()
    assert [path.name for path in left_parts(tmp_path / MADE, RELEASE)] == sorted(left)
