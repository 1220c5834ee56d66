"""What a release is called: the version of the package, and which state of the sources it was made from."""

import re
from pathlib import Path
from typing import Final

import ssiuml
from ssiuml.release import ReleaseError
from ssiuml.run import CommandError, run

GIT_LIMIT_S: Final = 60.0
HASH_DIGITS: Final = 12  # given, since git would choose by the size of the repository


def release_of(project: Path) -> str:
    """VERSION-REL of the checkout *project*.

    REL is 1 where the tag vVERSION stands, else COMMITS.gHASH (the number of commits up to here), with .dirty
    behind it where tracked files differ from that commit; 0 for sources that are no git repository.
    ReleaseError if git cannot tell.
    """
    return f"{ssiuml.__version__}-{_rel(project, f'v{ssiuml.__version__}')}"


def commit_time(project: Path) -> int | None:
    """When the commit that is checked out was made, in seconds since 1970; None without a git repository."""
    return int(_git(project, "log", "-1", "--format=%ct")) if (project / ".git").exists() else None


def _rel(project: Path, tag: str) -> str:
    if not (project / ".git").exists():
        return "0"
    count = _git(project, "rev-list", "--count", "HEAD").strip()
    shown = _git(project, "describe", "--always", "--dirty", "--exclude=*", f"--abbrev={HASH_DIGITS}").strip()
    found = re.fullmatch(r"([0-9a-f]+)(-dirty)?", shown)
    if found is None or not count.isdigit():
        raise ReleaseError(f"{project}: git describes it as '{shown}', which is no commit")
    dirty = found[2] is not None
    if not dirty and tag in _git(project, "tag", "--points-at", "HEAD").splitlines():
        return "1"
    return f"{count}.g{found[1]}{'.dirty' if dirty else ''}"


def _git(project: Path, *words: str) -> str:
    try:
        return run(["git", "-C", project, *words], timeout_s=GIT_LIMIT_S, merge_stderr=False)
    except CommandError as error:
        raise ReleaseError(
            f"{project}: git cannot tell which commit this is: {error}",
            hint="a shallow clone, or one of another user, see `git config safe.directory`",
        ) from error
