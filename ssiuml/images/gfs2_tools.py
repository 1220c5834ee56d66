"""GFS2 images by way of the programs of gfs2-utils: format, check, and how large an image a tree needs."""

import math
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.directories import LEAF_HEADER_BYTES, dirent_bytes
from ssiuml.formats.gfs.structures import DINODE_BYTES
from ssiuml.host import files
from ssiuml.host.atomic import replacing
from ssiuml.host.run import CommandError, run
from ssiuml.recipe.filesystem import Gfs2Filesystem
from ssiuml.tree.tree import Kind, Tree

MKFS_TIMEOUT_S: Final = 600.0
FSCK_TIMEOUT_S: Final = 1800.0
_LEAF_FILLED: Final = 0.6  # leaves split in halves; on the average ln 2 of them is used
# Per journal: its quota change file (1 MiB, mkfs.gfs2's default -c), inode and indirect blocks.
_PER_JOURNAL_BYTES: Final = (1 << 20) + (128 << 10)
# Bitmaps take a 16,000th of the blocks; the rest of this allows for indirect blocks and hash tables.
_METADATA_SHARE: Final = 1.03
_FIXED_BYTES: Final = 4 << 20
# The kernel keeps so many blocks reserved for each directory that it knows (RGRP_RSRV_MINBLKS in its
# fs/gfs2/rgrp.h) and says "no space left" while they are free; measured with 400 MiB for 306 MiB.
_RESERVED_FOR_DIRECTORY_BLOCKS: Final = 32


class Gfs2Error(SsiumlError):
    """An image cannot be formatted or is not clean."""


def make_image(blank: Path, target: Path, settings: Gfs2Filesystem) -> None:
    """Make *target*: as large as the file *blank*, an empty GFS2 file system (HOWTO 5.2's mkfs_gfs)."""
    with replacing(target) as part:
        files.copy(blank, part)
        _mkfs(part, settings)


def _mkfs(image: Path, settings: Gfs2Filesystem) -> None:
    run(
        [
            "mkfs.gfs2",
            "-q",
            "-O",  # the file is ours and new: no question
            "-K",  # nothing to discard
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
    """Gfs2Error, with what fsck.gfs2 found, unless the file system in *image* is clean."""
    try:
        run(["fsck.gfs2", "-n", image], timeout_s=FSCK_TIMEOUT_S)
    except CommandError as error:
        raise Gfs2Error(f"{image}: is not a clean GFS2 file system: {error}") from error


def needed_bytes(tree: Tree, settings: Gfs2Filesystem) -> int:
    """How large an image must be to hold *tree* and the journals; a little too much, never too little."""
    block = settings.block_size
    blocks = 0
    seen: set[int] = set()
    for _, node in tree.walk():
        if id(node) in seen:
            continue
        seen.add(id(node))
        blocks += 1
        # Extended attributes lie in a block besides the inode's, and large values in more.
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
