"""Structures of GFS2 that GFS1 lacks or defines differently.

Source: linux/gfs2_ondisk.h, from which the fields have their names.
"""

from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.structures import Inum, MetaHeader, MetaType, meta_header
from ssiuml.formats.ondisk import Be16, Be32, Be64, OnDisk, Raw16, Raw44, Raw60, SignedBe64, Text64

FORMAT_1801: Final = 1801
FORMAT_1802: Final = 1802  # since gfs2-utils 3.4 and Linux 5.12: adds trusted.* attributes
MULTIHOST_FORMAT: Final = 1900

LOG_UNMOUNTED: Final = 0x00000001  # GFS2_LOG_HEAD_UNMOUNT
LOG_USERSPACE: Final = 0x80000000  # GFS2_LOG_HEAD_USERSPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock(OnDisk):
    """The file system's description, at byte 65,536; 272 bytes (struct gfs2_sb)."""

    sb_header: MetaHeader = meta_header(MetaType.SB)
    sb_fs_format: Be32
    sb_multihost_format: Be32 = MULTIHOST_FORMAT
    sb_pad0: Be32 = 0
    sb_bsize: Be32
    sb_bsize_shift: Be32
    sb_pad1: Be32 = 0
    sb_master_dir: Inum
    sb_pad2: Inum = Inum()
    sb_root_dir: Inum
    sb_lockproto: Text64
    sb_locktable: Text64
    sb_pad3: Inum = Inum()
    sb_pad4: Inum = Inum()
    sb_uuid: Raw16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rgrp(OnDisk):
    """Opens a resource group, its bitmap follows; 128 bytes (struct gfs2_rgrp)."""

    rg_header: MetaHeader = meta_header(MetaType.RG)
    rg_flags: Be32 = 0
    rg_free: Be32
    rg_dinodes: Be32
    rg_skip: Be32  # blocks from this header to the next one, 0 in the last
    rg_igeneration: Be64 = 0
    rg_data0: Be64
    rg_data: Be32
    rg_bitbytes: Be32
    rg_crc: Be32 = 0  # CRC-32 of the structure with this field 0
    rg_reserved: Raw60 = bytes(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dinode(OnDisk):
    """An inode; 232 bytes, stuffed contents or pointers follow (struct gfs2_dinode)."""

    di_header: MetaHeader = meta_header(MetaType.DI)
    di_num: Inum
    di_mode: Be32
    di_uid: Be32
    di_gid: Be32
    di_nlink: Be32
    di_size: Be64
    di_blocks: Be64
    di_atime: SignedBe64
    di_mtime: SignedBe64
    di_ctime: SignedBe64
    di_major: Be32 = 0
    di_minor: Be32 = 0
    di_goal_meta: Be64
    di_goal_data: Be64
    di_generation: Be64 = 0
    di_flags: Be32
    di_payload_format: Be32
    di_pad1: Be16 = 0
    di_height: Be16
    di_pad2: Be32 = 0
    di_pad3: Be16 = 0
    di_depth: Be16 = 0
    di_entries: Be32 = 0
    di_pad4: Inum = Inum()
    di_eattr: Be64 = 0
    di_atime_nsec: Be32 = 0
    di_mtime_nsec: Be32 = 0
    di_ctime_nsec: Be32 = 0
    di_reserved: Raw44 = bytes(44)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHeader(OnDisk):
    """Opens a block of a journal; holds its sequence number and state; 120 bytes (struct gfs2_log_header)."""

    lh_header: MetaHeader = meta_header(MetaType.LH)
    lh_sequence: Be64
    lh_flags: Be32 = LOG_UNMOUNTED | LOG_USERSPACE
    lh_tail: Be32 = 0
    lh_blkno: Be32  # the block's index in the journal
    lh_hash: Be32 = 0  # CRC-32 of the bytes up to here, with this field 0
    lh_crc: Be32 = 0  # CRC-32C from lh_nsec to the block's end
    lh_nsec: Be32 = 0
    lh_sec: Be64 = 0
    lh_addr: Be64
    lh_jinode: Be64
    lh_statfs_addr: Be64 = 0
    lh_quota_addr: Be64 = 0
    lh_local_total: SignedBe64 = 0
    lh_local_free: SignedBe64 = 0
    lh_local_dinodes: SignedBe64 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InumRange(OnDisk):
    """Formal inode numbers that a node may assign; 16 bytes (struct gfs2_inum_range)."""

    ir_start: Be64 = 0
    ir_length: Be64 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatfsChange(OnDisk):
    """Counts of blocks and inodes, or a node's changes to them; 24 bytes (struct gfs2_statfs_change)."""

    sc_total: SignedBe64 = 0
    sc_free: SignedBe64 = 0
    sc_dinodes: SignedBe64 = 0
