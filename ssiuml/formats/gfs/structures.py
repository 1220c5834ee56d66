"""Structures and numbers that are the same in GFS1 and GFS2.

Source: linux/gfs2_ondisk.h. A field that GFS1 uses and this header calls padding has GFS1's name here.
"""

import enum
import re
from dataclasses import dataclass
from typing import Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.ondisk import Be8, Be16, Be32, Be64, OnDisk, Raw12, Raw40, Raw64

MAGIC: Final = 0x01161970
SUPERBLOCK_BYTES: Final = 65_536  # GFS2_SB_ADDR, 128 sectors: the byte at which the superblock begins
LOCK_NAME_BYTES: Final = 63  # GFS2_LOCKNAME_LEN less the NUL behind it
# mkfs.gfs2 requires a lock table of these protocols: CLUSTER:FILESYSTEM, with at most so many characters.
CLUSTER_PROTOCOLS: Final = ("lock_dlm", "lock_gulm")
LOCK_TABLE_MOST: Final = (32, 30)
LOCK_TABLE_FOREIGN: Final = r"[^A-Za-z0-9_:-]"
BLOCK_SIZES: Final = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)

DINODE_BYTES: Final = 232  # stuffed contents or pointers follow in the same block
POINTER_BYTES: Final = 8
META_HEADER_BYTES: Final = 24
NAME_BYTES_MAX: Final = 255  # GFS2_FNAMESIZE
HEIGHT_MAX: Final = 10  # GFS2_MAX_META_HEIGHT
DEPTH_MAX: Final = 17  # GFS2_DIR_MAX_DEPTH


class UnstorableError(SsiumlError):
    """The file system has no place for a file's name, contents, owner, time, attribute or device numbers."""


class MetaType(enum.IntEnum):
    """mh_type: the kind of a metadata block."""

    NONE = 0
    SB = 1
    RG = 2
    RB = 3
    DI = 4
    IN = 5
    LF = 6
    JD = 7
    LH = 8
    LD = 9
    EA = 10
    ED = 11
    LB = 12
    QC = 14


# mh_format is a hundred times the type, except for these.
_FORMATS: Final = {MetaType.LB: 1000, MetaType.EA: 1600, MetaType.ED: 1700}


class PayloadFormat(enum.IntEnum):
    """di_payload_format: the kind of an inode's contents."""

    NONE = 0
    JOURNAL_INDEX = 1000
    RESOURCE_INDEX = 1100
    DIRENTS = 1200
    QUOTAS = 1500


class Flag(enum.IntFlag):
    """di_flags."""

    JDATA = 0x1
    EXHASH = 0x2
    EA_INDIRECT = 0x8
    SYSTEM = 0x200  # GFS2 only


class State(enum.IntEnum):
    """The state of a block: two bits of a bitmap."""

    FREE = 0
    USED = 1  # GFS1: contents of ordinary files; GFS2: all blocks except dinodes
    UNLINKED = 2  # GFS1: free metadata
    DINODE = 3  # GFS1: all metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaHeader(OnDisk):
    """Opens every metadata block; 24 bytes (struct gfs2_meta_header)."""

    mh_magic: Be32 = MAGIC
    mh_type: Be32
    mh_generation: Be64 = 0  # GFS1 only
    mh_format: Be32
    mh_incarn: Be32 = 0  # GFS2: mh_jid


def meta_header(kind: MetaType) -> MetaHeader:
    """Return the header of a new block of this type."""
    return MetaHeader(mh_type=kind, mh_format=_FORMATS.get(kind, kind * 100))


def lock_name(what: str, text: str) -> bytes:
    """Return the bytes of a lock protocol or lock table for the superblock.

    Raise UsageError, naming it *what*, if it does not fit.
    """
    name = text.encode("utf-8", "surrogateescape")
    if len(name) > LOCK_NAME_BYTES or b"\0" in name:
        raise UsageError(
            f"the {what} '{text[:80]}' has {len(name)} bytes",
            hint=f"give at most {LOCK_NAME_BYTES} bytes, and no NUL",
        )
    return name


def require_lock_table(protocol: str, table: str) -> None:
    """Raise UsageError unless *table* is CLUSTER:FILESYSTEM, if *protocol* is one that needs a cluster.

    Source: test_locking in gfs2/mkfs/main_mkfs.c of gfs2-utils.
    """
    if protocol not in CLUSTER_PROTOCOLS:
        return
    cluster, colon, filesystem = table.partition(":")
    foreign = re.search(LOCK_TABLE_FOREIGN, table)
    wrong = {
        "is empty": not table,
        f"has the character {foreign[0] if foreign else ''!r}": foreign is not None,
        "has no colon": not colon,
        "has more than one colon": ":" in filesystem,
        "has no cluster before the colon": not cluster,
        "has no file system behind the colon": not filesystem,
        f"has a cluster of {len(cluster)} characters": len(cluster) > LOCK_TABLE_MOST[0],
        f"has a file system of {len(filesystem)} characters": len(filesystem) > LOCK_TABLE_MOST[1],
    }
    for problem, is_so in wrong.items():
        if is_so:
            raise UsageError(
                f"the lock table '{table[:80]}' {problem}",
                hint=f"give {protocol} CLUSTER:FILESYSTEM, such as ssi:root, of at most "
                f"{LOCK_TABLE_MOST[0]} and {LOCK_TABLE_MOST[1]} letters, digits, '_' and '-'",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inum(OnDisk):
    """The two numbers of an inode; 16 bytes (struct gfs2_inum)."""

    no_formal_ino: Be64 = 0
    no_addr: Be64 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RindexEntry(OnDisk):
    """One resource group in the rindex; 96 bytes (struct gfs2_rindex)."""

    ri_addr: Be64
    ri_length: Be32
    ri_pad: Be32 = 0
    ri_data0: Be64
    ri_data: Be32
    ri_bitbytes: Be32
    ri_reserved: Raw64 = bytes(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(OnDisk):
    """Limits and usage of one user or group, in blocks; 88 bytes (struct gfs2_quota)."""

    qu_limit: Be64 = 0
    qu_warn: Be64 = 0
    qu_value: Be64
    qu_reserved: Raw64 = bytes(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirent(OnDisk):
    """One directory entry; 40 bytes, the name follows (struct gfs2_dirent)."""

    de_inum: Inum
    de_hash: Be32
    de_rec_len: Be16
    de_name_len: Be16
    de_type: Be16
    de_rahead: Be16 = 0
    de_pad: Raw12 = bytes(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(OnDisk):
    """Opens a block of directory entries; 104 bytes (struct gfs2_leaf).

    The fields behind lf_next belong to GFS2 and are zero in GFS1.
    """

    lf_header: MetaHeader = meta_header(MetaType.LF)
    lf_depth: Be16
    lf_entries: Be16
    lf_dirent_format: Be32 = PayloadFormat.DIRENTS
    lf_next: Be64 = 0
    lf_inode: Be64 = 0
    lf_dist: Be32 = 0
    lf_nsec: Be32 = 0
    lf_sec: Be64 = 0
    lf_reserved2: Raw40 = bytes(40)


@dataclass(frozen=True, slots=True, kw_only=True)
class EaHeader(OnDisk):
    """Opens the record of an extended attribute; 16 bytes (struct gfs2_ea_header)."""

    ea_rec_len: Be32
    ea_data_len: Be32
    ea_name_len: Be8
    ea_type: Be8
    ea_flags: Be8 = 0
    ea_num_ptrs: Be8 = 0
    ea_pad: Be32 = 0
