"""GFS2 images by the programs of gfs2-utils: format, check, repair; and how large an image a tree needs."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.directories import LEAF_HEADER_BYTES, dirent_bytes
from ssiuml.formats.gfs.structures import DINODE_BYTES
from ssiuml.host import files
from ssiuml.host.files import replacing
from ssiuml.host.run import PLAIN_LANGUAGE, run, run_to_status
from ssiuml.tree.tree import Kind, Tree

if TYPE_CHECKING:  # the commands of a cluster repair its root, and have no recipes
    from ssiuml.recipe.filesystem import Gfs2Filesystem

MKFS_TIMEOUT_S: Final = 600.0
FSCK_TIMEOUT_S: Final = 1800.0
# Exit statuses of fsck.gfs2 (FSCK_ in gfs2/fsck/fsck.h): all is well; all faults are corrected; some are not.
# With 8 it gives up, because of damage or for another reason. Some of its passes end with 255 instead.
OK, CORRECTED, UNCORRECTED, GAVE_UP = 0, 1, 4, (8, 255)

_PROGRESS: Final = re.compile(
    r"Initializing fsck|Validating |Level \d |\(level \d passed\)|Starting |Reconciling |\S+ completed in "
    r"|fsck\.gfs2 complete|\d+ percent complete|Clearing journals|Journals cleared|Journal recovery complete"
)
# Does not change the exit status. All that follows may be due to what the journal still has.
_DIRTY: Final = re.compile(r"Journal #\d+ \(\"journal\d+\"\) is dirty")
# Such a journal stays as it is, and nobody can mount the file system.
_CORRUPT: Final = re.compile(
    r"Journal #\d+ \(\"journal\d+\"\) (is corrupt|has \d+ sequencing errors)"
    r"|File system journal \"journal\d+\" is missing or corrupt"
)
# Why fsck.gfs2 gives up without a verdict.
_NO_VERDICT: Final = re.compile(
    r"Out of memory|Cannot allocate memory|Input/output error|No space left on device|device required"
    r"|This file system is too big for this computer",
    re.I,
)
# Harmless messages, by their cause. Counts: the kernel's recovery of a journal writes them without their lock
# (recover_local_statfs in fs/gfs2/recovery.c), so a change by another node at that time gets lost; only df
# reads them. Unlinked inodes: files that were removed while they were open, or were about to be freed. GFS2
# frees them when it next allocates nearby; until then their blocks are in use for nothing, which does no
# harm. The opposite, blocks of files that count as free, is damage.
_COUNTS: Final = "counts of free blocks and inodes"
_LEFTOVERS: Final = {
    _COUNTS: re.compile(r"The statfs file |(Current|Calculated) statfs values:|(blocks|free|dinodes): +-?\d"),
    "removed files that were not freed": re.compile(
        r"Found unlinked inode |Unlinked inode |Block \d+ .* bitmap says [12] \(\w+\) but FSCK saw 0 \(free\)"
        r"|Bitmap at block \d+ .* left inconsistent|RG #\d+ .* count inconsistent: "
        r"|Resource group counts left"
    ),
}

_LEAF_FILLED: Final = 0.6  # leaves split in halves; on average, ln 2 of a leaf is used
# Per journal: its quota change file (1 MiB, mkfs.gfs2's default -c), inode and indirect blocks.
_PER_JOURNAL_BYTES: Final = (1 << 20) + (128 << 10)
# Bitmaps take a 16,000th of the blocks; the rest of this allows for indirect blocks and hash tables.
_METADATA_SHARE: Final = 1.03
_FIXED_BYTES: Final = 4 << 20
# The kernel reserves this many blocks for each directory that it knows (RGRP_RSRV_MINBLKS in fs/gfs2/rgrp.h),
# and says "no space left" while they are free; measured with 400 MiB for 306 MiB.
_RESERVED_FOR_DIRECTORY_BLOCKS: Final = 32


class DirtyError(SsiumlError):
    """Journals have to be replayed first. The kernel does that when it next mounts the file system."""


class DamagedError(SsiumlError):
    """fsck.gfs2 has found damage that a crash does not leave."""


def make_image(blank: Path, target: Path, settings: "Gfs2Filesystem") -> None:
    """Make *target* an empty GFS2 file system as large as the file *blank* (HOWTO 5.2: mkfs_gfs)."""
    with replacing(target) as part:
        files.copy_to_part(blank, part)
        _mkfs(part, settings)


def _mkfs(image: Path, settings: "Gfs2Filesystem") -> None:
    run(
        [
            "mkfs.gfs2",
            "-q",
            "-O",  # ask nothing: the file is new
            "-K",  # there are no blocks to discard
            *("-b", str(settings.block_size)),
            *("-p", settings.lock_protocol),
            *("-t", settings.lock_table),
            *("-j", str(settings.journals)),
            *("-J", str(settings.journal_size_bytes >> 20)),
            image,
        ],
        timeout_s=MKFS_TIMEOUT_S,
    )


def check_image(image: Path) -> None:
    """Raise SsiumlError, with what fsck.gfs2 has found, unless the file system in *image* is clean.

    Raise DirtyError, DamagedError or SsiumlError as repair does.
    """
    found = _examine(image)
    if found:
        raise SsiumlError(f"{image}: is not clean, it has {' and '.join(found)}")


def repair(image: Path) -> list[str]:
    """Correct in *image* what the crash of a node may leave behind. Return the names of what was corrected.

    Raise DirtyError if journals are not replayed. Raise DamagedError, with the output of fsck.gfs2, if there
    is any other damage. *image* is unchanged after both. Raise SsiumlError if fsck.gfs2 cannot tell: it is
    missing, takes too long, crashes, or cannot read *image*.
    """
    found = _examine(image)
    if found:
        run(
            ["fsck.gfs2", "-y", image],
            timeout_s=FSCK_TIMEOUT_S,
            env=PLAIN_LANGUAGE,
            ok_exit=(OK, CORRECTED, UNCORRECTED),
        )
        check_image(image)
    return found


def _examine(image: Path) -> list[str]:
    """Return the names of what the crash of a node has left in *image*. Raise the errors of repair."""
    words: list[str | Path] = ["fsck.gfs2", "-n", image]
    return judge(image, *run_to_status(words, timeout_s=FSCK_TIMEOUT_S, env=PLAIN_LANGUAGE))


def judge(image: Path, status: int, lines: Sequence[str]) -> list[str]:
    """Return what a crash has left in *image*, by exit status and output of fsck.gfs2 -n.

    The status alone says little: it is 0 or any other with journals that are not replayed, and 8 with damage
    as well as if *image* cannot be read. Raise the errors of repair.
    """
    found, other = _leftovers(lines)
    if not any(map(_CORRUPT.match, other)) and any(map(_DIRTY.match, other)):
        raise DirtyError(f"{image}: has journals that are not replayed")
    if status == OK:
        return []
    shown = "".join(f"\n    {line}" for line in other[:20])
    if status in (UNCORRECTED, *GAVE_UP) and other and not any(map(_NO_VERDICT.search, other)):
        raise DamagedError(f"{image}: is damaged, fsck.gfs2 -n says:{shown}")
    if status != UNCORRECTED or other or not found:
        raise SsiumlError(
            f"{image}: fsck.gfs2 -n ends with status {status} and no verdict{shown and ':'}{shown}"
        )
    return found


def convert_gfs1(image: Path) -> None:
    """Convert the GFS1 file system in *image* to GFS2 with gfs2_convert, and check the result with fsck.gfs2.

    gfs2_convert writes wrong counts of free blocks; they are corrected. Raise SsiumlError for other damage.
    """
    run(["gfs2_convert", "-y", image], timeout_s=FSCK_TIMEOUT_S)
    found = repair(image)
    if found and found != [_COUNTS]:
        raise SsiumlError(f"{image}: gfs2_convert leaves more than wrong counts: {', '.join(found)}")


def _leftovers(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Sort fsck.gfs2's output: the names of what a crash may leave, and the lines about anything else."""
    found: dict[str, None] = {}
    other = []
    for line in map(str.strip, lines):
        name = next((name for name, pattern in _LEFTOVERS.items() if pattern.match(line)), None)
        if name is not None:
            found[name] = None
        elif line and not _PROGRESS.match(line):
            other.append(line)
    return list(found), other


def needed_bytes(tree: Tree, settings: "Gfs2Filesystem") -> int:
    """Return how large an image must be for *tree* and the journals; slightly too much, never too little."""
    block = settings.block_size
    blocks = 0
    seen: set[int] = set()
    for _, node in tree.walk():
        if id(node) in seen:
            continue
        seen.add(id(node))
        blocks += 1
        # Extended attributes lie in a block of their own, large values in further blocks.
        if node.meta.xattrs:
            blocks += 1 + sum(len(value) for value in node.meta.xattrs.values()) // block
        size = node.size_bytes
        if node.kind is Kind.SYMLINK:
            size = _length(node.target or "")
        elif node.kind is Kind.DIRECTORY:
            blocks += _RESERVED_FOR_DIRECTORY_BLOCKS
            size = sum(dirent_bytes(_length(name)) for name in node.children)
        if size <= block - DINODE_BYTES:
            continue
        if node.kind is Kind.DIRECTORY:
            size = math.ceil(size / _LEAF_FILLED * block / (block - LEAF_HEADER_BYTES))
        blocks += math.ceil(size / block)
    contents = math.ceil(blocks * block * _METADATA_SHARE)
    journals = settings.journals * (settings.journal_size_bytes + _PER_JOURNAL_BYTES)
    # mkfs.gfs2 gives journals no more than half of the image.
    least = 2 * settings.journals * settings.journal_size_bytes
    return max(contents + journals + _FIXED_BYTES, least)


def _length(name: str) -> int:
    return len(name.encode("utf-8", "surrogateescape"))
