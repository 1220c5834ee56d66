"""Features that a file system says it has: which are read, and which are refused by name.

Source: linux/fs/ext4/ext4.h, EXT4_FEATURE_*; the names are those of ``dumpe2fs -h``. A program that only
reads may ignore what it does not know among the compatible features and those for read-only access.
"""

from pathlib import Path
from typing import Final

from ssiuml.formats.ext2.damage import Ext2Error
from ssiuml.formats.ext2.structures import Superblock

FILETYPE: Final = 0x0002
RECOVER: Final = 0x0004
BITS_64: Final = 0x0080
HUGE_FILE: Final = 0x0008  # ro_compat

# Those that change how files are found: features 'incompat'.
_READ: Final = {
    FILETYPE: "filetype",
    0x0040: "extent",
    BITS_64: "64bit",
    0x0100: "mmp",
    0x0200: "flex_bg",
    0x2000: "metadata_csum_seed",
    0x8000: "inline_data",
}
_REFUSED: Final = {
    0x0001: "compression",
    0x0008: "journal_dev",
    0x0010: "meta_bg",
    0x0400: "ea_inode",
    0x1000: "dirdata",
    0x4000: "large_dir",
    0x10000: "encrypt",
    0x20000: "casefold",
}
_BIGALLOC: Final = 0x0200  # ro_compat
_SHARED_BLOCKS: Final = 0x4000  # ro_compat: one block may belong to several files, which is damage elsewhere
_REFUSED_RO: Final = {_BIGALLOC: "bigalloc", _SHARED_BLOCKS: "shared_blocks"}


def features(superblock: Superblock) -> int:
    """The incompatible features; revision 0 knows none."""
    return superblock.s_feature_incompat if superblock.s_rev_level else 0


def read_only_features(superblock: Superblock) -> int:
    """The features that those who write have to know; revision 0 knows none."""
    return superblock.s_feature_ro_compat if superblock.s_rev_level else 0


def require_known_features(image: Path, superblock: Superblock) -> None:
    """Ext2Error, with the names, if files cannot be read for a feature; with the way out, for a journal."""
    there, there_ro = features(superblock), read_only_features(superblock)
    if there & RECOVER:
        raise Ext2Error(
            f"{image}: has the feature needs_recovery: its journal holds changes that are not in place yet",
            hint=f"replay it in a copy and use that: cp {image} COPY && e2fsck -fy COPY",
        )
    known = sum(_READ)
    bad = [
        _REFUSED.get(1 << bit, f"incompat 0x{1 << bit:x}") for bit in range(32) if there & ~known & 1 << bit
    ]
    bad += [name for bit, name in _REFUSED_RO.items() if there_ro & bit]
    if bad:
        raise Ext2Error(
            f"{image}: has the feature {', '.join(bad)}, with which it cannot be read",
            hint="known are " + ", ".join(_READ.values()) + "; make the image without: mke2fs -O ^FEATURE",
        )
