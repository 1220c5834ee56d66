"""Structures of ext2, as far as they are read; little-endian.

Source: the kernel's Documentation/filesystems/ext4/ and e2fsprogs' lib/ext2fs/ext2_fs.h, whose names the
fields have.
"""

import enum
from dataclasses import dataclass
from typing import Annotated, Final

from ssiuml.ondisk import Bytes, Le8, Le16, Le32, LittleEndian, SignedLe32

SUPERBLOCK_BYTES: Final = 1024  # where it begins, whatever the size of blocks
MAGIC: Final = 0xEF53
XATTR_MAGIC: Final = 0xEA020000
ROOT_INODE: Final = 2
DIRECT_BLOCKS: Final = 12
BLOCK_POINTERS_BYTES: Final = 60  # 15 pointers, or the target of a short symbolic link
OLD_INODE_BYTES: Final = 128


class Incompatible(enum.IntFlag):
    """Bits of s_feature_incompat: who does not know one must not even read."""

    COMPRESSION = 0x1
    FILETYPE = 0x2
    NEEDS_RECOVERY = 0x4
    JOURNAL_DEVICE = 0x8
    META_BG = 0x10
    EXTENTS = 0x40
    BITS64 = 0x80
    MMP = 0x100
    FLEX_BG = 0x200
    EA_INODE = 0x400
    DIRDATA = 0x1000
    CSUM_SEED = 0x2000
    LARGEDIR = 0x4000
    INLINE_DATA = 0x8000
    ENCRYPT = 0x10000
    CASEFOLD = 0x20000


# FLEX_BG only says that bitmaps and tables lie anywhere; each group's descriptor has their places.
READABLE: Final = Incompatible.FILETYPE | Incompatible.FLEX_BG


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock(LittleEndian):
    """The first 104 bytes of struct ext2_super_block."""

    s_inodes_count: Le32
    s_blocks_count: Le32
    s_r_blocks_count: Le32
    s_free_blocks_count: Le32
    s_free_inodes_count: Le32
    s_first_data_block: Le32
    s_log_block_size: Le32  # 0 is 1024 bytes
    s_log_frag_size: Le32
    s_blocks_per_group: Le32
    s_frags_per_group: Le32
    s_inodes_per_group: Le32
    s_mtime: Le32
    s_wtime: Le32
    s_mnt_count: Le16
    s_max_mnt_count: Le16
    s_magic: Le16
    s_state: Le16
    s_errors: Le16
    s_minor_rev_level: Le16
    s_lastcheck: Le32
    s_checkinterval: Le32
    s_creator_os: Le32
    s_rev_level: Le32
    s_def_resuid: Le16
    s_def_resgid: Le16
    s_first_ino: Le32
    s_inode_size: Le16
    s_block_group_nr: Le16
    s_feature_compat: Le32
    s_feature_incompat: Le32
    s_feature_ro_compat: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescriptor(LittleEndian):
    """Struct ext2_group_desc: 32 bytes for each block group."""

    bg_block_bitmap: Le32
    bg_inode_bitmap: Le32
    bg_inode_table: Le32
    bg_free_blocks_count: Le16
    bg_free_inodes_count: Le16
    bg_used_dirs_count: Le16
    bg_flags: Le16
    bg_reserved: Annotated[bytes, Bytes(12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InodeRecord(LittleEndian):
    """Struct ext2_inode: the 128 bytes that every inode has."""

    i_mode: Le16
    i_uid: Le16
    i_size: Le32
    i_atime: SignedLe32
    i_ctime: SignedLe32
    i_mtime: SignedLe32
    i_dtime: Le32
    i_gid: Le16
    i_links_count: Le16
    i_blocks: Le32
    i_flags: Le32
    i_osd1: Le32
    i_block: Annotated[bytes, Bytes(60)]
    i_generation: Le32
    i_file_acl: Le32
    i_size_high: Le32  # of directories: i_dir_acl
    i_faddr: Le32
    l_i_frag: Le8
    l_i_fsize: Le8
    i_pad1: Le16
    l_i_uid_high: Le16
    l_i_gid_high: Le16
    l_i_reserved2: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class InodeTail(LittleEndian):
    """What inodes of 256 bytes have behind that, as far as times are in it."""

    i_extra_isize: Le16
    i_checksum_hi: Le16
    i_ctime_extra: Le32
    i_mtime_extra: Le32  # 2 bits more of seconds, 30 bits of nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class XattrEntry(LittleEndian):
    """Struct ext2_ext_attr_entry; the name follows, together a multiple of 4 bytes."""

    e_name_len: Le8
    e_name_index: Le8
    e_value_offs: Le16
    e_value_inum: Le32
    e_value_size: Le32
    e_hash: Le32
