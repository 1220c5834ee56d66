"""Structures of GFS1 that GFS2 lacks or defines differently.

Source: gfs_ondisk.h of the GFS kernel module (ClusterLabs resource-agents, 2009), from which the fields have
their names, and images that its gfs_mkfs made.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final

from ssiuml.formats.gfs.structures import Inum, MetaHeader, MetaType, meta_header
from ssiuml.formats.ondisk import Be16, Be32, Be64, Bytes, OnDisk, Raw64, SignedBe64, Text64

FORMAT: Final = 1309
MULTIHOST_FORMAT: Final = 1401
# Programs before 2004 may have written these. Later kernels upgrade the number; the layout is the same.
OLD_FORMATS: Final = (1305, 1306, 1307, 1308)
OLD_MULTIHOST_FORMAT: Final = 1400

LOG_UNMOUNTED: Final = 1  # GFS_LOG_HEAD_UNMOUNT
LOG_HEADER_COPY_BYTES: Final = 384  # offset of a log header's second copy, which ends at the block's byte 512

Raw96 = Annotated[bytes, Bytes(96)]


class FileType(IntEnum):
    """di_type and de_type."""

    REGULAR = 1
    DIRECTORY = 2
    SYMLINK = 5
    BLOCK = 7
    CHARACTER = 8
    FIFO = 101
    SOCKET = 102


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock(OnDisk):
    """The file system's description, at byte 65,536; 352 bytes (struct gfs_sb)."""

    sb_header: MetaHeader = meta_header(MetaType.SB)
    sb_fs_format: Be32 = FORMAT
    sb_multihost_format: Be32 = MULTIHOST_FORMAT
    sb_flags: Be32 = 0
    sb_bsize: Be32
    sb_bsize_shift: Be32
    sb_seg_size: Be32  # blocks in a segment of a journal
    sb_jindex_di: Inum
    sb_rindex_di: Inum
    sb_root_di: Inum
    sb_lockproto: Text64
    sb_locktable: Text64
    sb_quota_di: Inum
    sb_license_di: Inum
    sb_reserved: Raw96 = bytes(96)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalIndexEntry(OnDisk):
    """The position of a journal: an entry of the jindex; 80 bytes (struct gfs_jindex)."""

    ji_addr: Be64
    ji_nsegment: Be32
    ji_pad: Be32 = 0
    ji_reserved: Raw64 = bytes(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rgrp(OnDisk):
    """Opens a resource group, its bitmap follows; 128 bytes (struct gfs_rgrp)."""

    rg_header: MetaHeader = meta_header(MetaType.RG)
    rg_flags: Be32 = 0
    rg_free: Be32
    rg_useddi: Be32  # dinodes
    rg_freedi: Be32 = 0
    rg_freedi_list: Inum = Inum()
    rg_usedmeta: Be32  # other metadata
    rg_freemeta: Be32 = 0
    rg_reserved: Raw64 = bytes(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dinode(OnDisk):
    """An inode; 232 bytes, stuffed contents or pointers follow (struct gfs_dinode)."""

    di_header: MetaHeader = meta_header(MetaType.DI)
    di_num: Inum
    di_mode: Be32  # permission, set-id and sticky bits only
    di_uid: Be32 = 0
    di_gid: Be32 = 0
    di_nlink: Be32
    di_size: Be64
    di_blocks: Be64
    di_atime: SignedBe64
    di_mtime: SignedBe64
    di_ctime: SignedBe64
    di_major: Be32 = 0
    di_minor: Be32 = 0
    di_rgrp: Be64 = 0  # the resource group of this block; a hint, like the three goals
    di_goal_rgrp: Be64 = 0
    di_goal_dblk: Be32 = 0
    di_goal_mblk: Be32 = 0
    di_flags: Be32
    di_payload_format: Be32
    di_type: Be16
    di_height: Be16 = 0
    di_incarn: Be32 = 0
    di_pad: Be16 = 0
    di_depth: Be16 = 0
    di_entries: Be32 = 0
    di_next_unused: Inum = Inum()
    di_eattr: Be64 = 0
    di_reserved: Annotated[bytes, Bytes(56)] = bytes(56)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndirectHeader(OnDisk):
    """Opens a block of pointers; 88 bytes (struct gfs_indirect)."""

    in_header: MetaHeader = meta_header(MetaType.IN)
    in_reserved: Raw64 = bytes(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHeader(OnDisk):
    """Opens a segment of a journal, twice in its first block; 128 bytes (struct gfs_log_header)."""

    lh_header: MetaHeader = meta_header(MetaType.LH)
    lh_flags: Be32 = LOG_UNMOUNTED
    lh_pad: Be32 = 0
    lh_first: Be64  # this block's number
    lh_sequence: Be64
    lh_tail: Be64 = 0
    lh_last_dump: Be64 = 0
    lh_reserved: Raw64 = bytes(64)
