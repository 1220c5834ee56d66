"""fsck.gfs2: puts right what the crash of a node may leave behind, and judges converted GFS1 file systems."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.run import CommandError, run

TIMEOUT_S: Final = 1800.0
CORRECTED, UNCORRECTED = 1, 4  # exit statuses, fsck.gfs2(8)

_PROGRESS: Final = re.compile(
    r"Initializing fsck|Validating |Level \d |\(level \d passed\)|Starting |Reconciling |\S+ completed in "
    r"|fsck\.gfs2 complete|\d+ percent complete|Clearing journals|Journals cleared|Journal recovery complete"
)
_DIRTY: Final = re.compile(r"Journal #\d+ \(\"journal\d+\"\) is dirty")
# What is no damage. The counts: the kernel's recovery of a journal writes them without their lock
# (recover_local_statfs in fs/gfs2/recovery.c), so that what another node adds at that time gets lost; only df
# looks at them. Unlinked inodes: files that were removed but still open, or about to be freed; GFS2 frees
# them when it next allocates nearby. Until then their blocks are in use for nobody, which harms nobody.
# The other way round, blocks of files that count as free, is damage.
_COUNTS: Final = "counts of free blocks and inodes"
_LEFTOVERS: Final = {
    _COUNTS: re.compile(r"The statfs file |(Current|Calculated) statfs values:|(blocks|free|dinodes): +-?\d"),
    "removed files that were not freed": re.compile(
        r"Found unlinked inode |Unlinked inode |Block \d+ .* bitmap says [12] \(\w+\) but FSCK saw 0 \(free\)"
        r"|Bitmap at block \d+ .* left inconsistent|RG #\d+ .* count inconsistent: "
        r"|Resource group counts left"
    ),
}


class DamagedError(SsiumlError):
    """fsck.gfs2 finds more than a crash may leave behind."""


class DirtyError(SsiumlError):
    """Journals have to be replayed first; the kernel does it when the file system is mounted next."""


def mend(image: Path) -> list[str]:
    """Correct in *image* what the crash of a node may leave behind; return what that was, [] if nothing.

    The image is not written to if there is anything else. Raises DirtyError or DamagedError, the latter with
    what fsck.gfs2 says.
    """
    with suppress(CommandError):
        run(["fsck.gfs2", "-n", image], timeout_s=TIMEOUT_S)
        return []
    found, rest = _leftovers(run(["fsck.gfs2", "-n", image], timeout_s=TIMEOUT_S, ok_exit=(UNCORRECTED,)))
    if any(_DIRTY.match(line) for line in rest):
        raise DirtyError(f"{image}: has journals that are not replayed")
    if rest:
        lines = "\n".join(f"    {line}" for line in rest[:20])
        raise DamagedError(f"{image}: is damaged, fsck.gfs2 -n says:\n{lines}")
    if found:
        run(["fsck.gfs2", "-y", image], timeout_s=TIMEOUT_S, ok_exit=(CORRECTED,))
        run(["fsck.gfs2", "-n", image], timeout_s=TIMEOUT_S)
    return found


def convert(image: Path) -> None:
    """Make GFS2 of the GFS1 file system in *image* with gfs2_convert, and have fsck.gfs2 check it.

    gfs2_convert writes wrong counts of free blocks, which are corrected. DamagedError if there is more.
    """
    run(["gfs2_convert", "-y", image], timeout_s=TIMEOUT_S)
    found = mend(image)
    if found and found != [_COUNTS]:
        raise DamagedError(f"{image}: gfs2_convert leaves more than wrong counts: {', '.join(found)}")


def _leftovers(said: str) -> tuple[list[str], list[str]]:
    """What a crash has left, by name, and the lines that speak of something else."""
    found: dict[str, None] = {}
    rest = []
    for line in map(str.strip, said.splitlines()):
        name = next((name for name, pattern in _LEFTOVERS.items() if pattern.match(line)), None)
        if name is not None:
            found[name] = None
        elif line and not _PROGRESS.match(line):
            rest.append(line)
    return list(found), rest
