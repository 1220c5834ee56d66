"""What a release is called: the version of the package, and which state of the sources it was made from."""

import re
from pathlib import Path
from typing import Final

import ssiuml
from ssiuml.errors import SsiumlError
from ssiuml.host.run import CommandError, run

GIT_LIMIT_S: Final = 60.0
NO_COMMIT_EPOCH: Final = 1_700_000_000  # 2023-11-14, what recipes have unless they say otherwise
HASH_DIGITS: Final = 12  # given, since git would choose by the size of the repository
# VERSION-REL of a commit that has no tag, and the end of a tarball's name.
_SNAPSHOT: Final = r"[0-9][0-9A-Za-z.]*-[0-9]+\.g[0-9a-f]+(\.dirty)?\.tar\.(bz2|xz|zst)"
# Not GIT_DIR and its like: a hook that starts a release sets them for a repository that may be another.
_PASSED_ON: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_*")


def release_of(project: Path) -> str:
    """VERSION-REL of the checkout *project*.

    REL is 1 where the tag vVERSION stands, else COMMITS.gHASH (the number of commits up to here), with .dirty
    behind it where tracked files differ from that commit; 0 for sources that are no git repository.
    SsiumlError if git cannot tell, as in a shallow clone.
    """
    return f"{ssiuml.__version__}-{_rel(project, f'v{ssiuml.__version__}')}"


def known_release(project: Path) -> str:
    """As release_of, for people; VERSION alone where git cannot tell."""
    try:
        return release_of(project)
    except SsiumlError:
        return ssiuml.__version__


def commit_time(project: Path) -> int | None:
    """When the commit that is checked out was made, in seconds since 1970; None without a git repository."""
    return int(_git(project, "log", "-1", "--format=%ct")) if is_repository(project) else None


def is_repository(project: Path) -> bool:
    """Whether *project* is checked out with git, or in another way and called 0."""
    return (project / ".git").exists()


def other_snapshots(made: Path, release: str) -> list[Path]:
    """Return the tarballs beside *made* that differ from it in VERSION-REL only, and have no tag.

    *release* is the VERSION-REL of *made*. The next state replaces one that has no tag; a tagged one stays.
    """
    stem, _, _ = made.name.rpartition(f"-{release}.tar.")
    pattern = re.compile(rf"{re.escape(stem)}-{_SNAPSHOT}")
    return [path for path in sorted(made.parent.iterdir()) if path != made and pattern.fullmatch(path.name)]


def _rel(project: Path, tag: str) -> str:
    if not is_repository(project):
        return "0"
    shown = _git(project, "describe", "--always", "--dirty", "--exclude=*", f"--abbrev={HASH_DIGITS}").strip()
    found = re.fullmatch(r"([0-9a-f]+)(-dirty)?", shown)
    if found is None:
        raise SsiumlError(f"{project}: git describes it as '{shown}', which is no commit")
    dirty = found[2] is not None
    tags = _git(project, "for-each-ref", "--points-at=HEAD", "--format=%(refname)", "refs/tags")
    if not dirty and f"refs/tags/{tag}" in tags.splitlines():
        return "1"
    if _git(project, "rev-parse", "--is-shallow-repository").strip() != "false":
        raise SsiumlError(
            f"{project}: is a shallow clone, whose commits cannot be counted",
            hint="git fetch --unshallow --tags",
        )
    count = _git(project, "rev-list", "--count", "HEAD").strip()
    return f"{count}.g{found[1]}{'.dirty' if dirty else ''}"


def _git(project: Path, *words: str) -> str:
    try:
        return run(
            ["git", "-C", project, *words], timeout_s=GIT_LIMIT_S, merge_stderr=False, pass_on=_PASSED_ON
        )
    except CommandError as error:
        raise SsiumlError(
            f"{project}: git cannot tell which commit this is: {error}",
            hint="`git status` says more; for a clone of another user see git-config(1), safe.directory",
        ) from error
