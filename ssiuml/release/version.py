"""VERSION-REL, the name of a release: the package's version and the commit that it was made from."""

import glob
import re
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.run import CommandError, run

VERSION = "0.2.0"  # of the package; pyproject.toml and the release workflow take it from here
GIT_LIMIT_S: Final = 60.0
NO_COMMIT_EPOCH: Final = 1_700_000_000  # 2023-11-14, also the default of recipes
HASH_DIGITS: Final = 12  # fixed: git would choose a number by the size of the repository
# The end of a tarball's name: VERSION-REL of a commit without a tag, and the suffix.
_SNAPSHOT: Final = r"[0-9][0-9A-Za-z.]*-[0-9]+\.g[0-9a-f]+(\.dirty)?\.tar\.(bz2|xz|zst)"
# Not GIT_DIR and its like: git sets them for its hooks, and a hook of another repository may start a release.
_PASSED_ON: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_*")


def release_of(project: Path) -> str:
    """Return VERSION-REL of the checkout *project*.

    REL is 1 at the tag vVERSION. Elsewhere it is COMMITS.gHASH, the number of commits and the hash of the
    last one; .dirty follows if tracked files differ from that commit. It is 0 for sources without a git
    repository. Raise SsiumlError if git cannot tell, as in a shallow clone.
    """
    return f"{VERSION}-{_rel(project, f'v{VERSION}')}"


def known_release(project: Path) -> str:
    """Return VERSION-REL of *project*. Return VERSION alone if git cannot tell the rest."""
    try:
        return release_of(project)
    except SsiumlError:
        return VERSION


def commit_time(project: Path) -> int | None:
    """Return the time of the checked-out commit in seconds since 1970. Return None without a repository."""
    return int(_git(project, "log", "-1", "--format=%ct")) if is_repository(project) else None


def is_repository(project: Path) -> bool:
    """Return whether *project* is a git checkout; other sources have REL 0."""
    return (project / ".git").exists()


def other_snapshots(made: Path, release: str) -> list[Path]:
    """Return the tarballs beside *made* whose name differs in VERSION-REL only, from commits without a tag.

    *release* is the VERSION-REL of *made*. A new release supersedes them; releases with a tag stay.
    """
    stem, _, _ = made.name.rpartition(f"-{release}.tar.")
    pattern = re.compile(rf"{re.escape(stem)}-{_SNAPSHOT}")
    return [path for path in sorted(made.parent.iterdir()) if path != made and pattern.fullmatch(path.name)]


def left_parts(made: Path, release: str) -> list[Path]:
    """Return the temporary files that killed builds have left of *made*, also from other commits.

    *release* is the VERSION-REL of *made*. The caller holds the lock under which these are made.
    """
    stem = made.name.partition(f"-{release}.tar.")[0]
    return sorted(made.parent.glob(f".{glob.escape(stem)}-*.tar.*.part"))


def _rel(project: Path, tag: str) -> str:
    if not is_repository(project):
        return "0"
    shown = _git(project, "describe", "--always", "--dirty", "--exclude=*", f"--abbrev={HASH_DIGITS}").strip()
    found = re.fullmatch(r"([0-9a-f]+)(-dirty)?", shown)
    if found is None:
        raise SsiumlError(f"{project}: git describes it as '{shown}', which is not a commit")
    dirty = found[2] is not None
    tags = _git(project, "for-each-ref", "--points-at=HEAD", "--format=%(refname)", "refs/tags")
    if not dirty and f"refs/tags/{tag}" in tags.splitlines():
        return "1"
    if _git(project, "rev-parse", "--is-shallow-repository").strip() != "false":
        raise SsiumlError(
            f"{project}: is a shallow clone; its commits cannot be counted",
            hint="run git fetch --unshallow --tags",
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
            f"{project}: git cannot tell which commit is checked out: {error}",
            hint="run git status for details; for another user's clone see git-config(1), safe.directory",
        ) from error
