"""Structures of ext2 and its successors, little-endian.

Source: linux/fs/ext2/ext2.h and linux/fs/ext4/ext4.h, ext4_extents.h and xattr.h, from which the fields have
their names, and Documentation/filesystems/ext4.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from ssiuml.formats.ondisk import Bytes, Le8, Le16, Le32, OnDisk, Raw12, Raw16, Raw60, Raw64, SignedLe32

SUPERBLOCK_BYTE: Final = 1024  # it begins here for all block sizes
MAGIC: Final = 0xEF53
EXTENT_MAGIC: Final = 0xF30A
XATTR_MAGIC: Final = 0xEA020000
OLD_INODE_BYTES: Final = 128
OLD_FIRST_INODE: Final = 11  # in revision 0, which has no field for it
ROOT_INODE: Final = 2
UNWRITTEN_FROM: Final = 0x8000  # a longer extent is unwritten (zeros), and its length is the excess over this
EXTENT_DEPTH_MAX: Final = 5

EXTENTS_FLAG: Final = 0x00080000  # EXT4_EXTENTS_FL
HUGE_FILE_FLAG: Final = 0x00040000  # EXT4_HUGE_FILE_FL
INLINE_DATA_FLAG: Final = 0x10000000  # EXT4_INLINE_DATA_FL
VERITY_FLAG: Final = 0x00100000  # EXT4_VERITY_FL
COMPRESSED_FLAG: Final = 0x00000200  # EXT2_COMPRBLK_FL; chattr +c alone compresses nothing

Raw68 = Annotated[bytes, Bytes(68)]
Raw668 = Annotated[bytes, Bytes(668)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock(OnDisk):
    """The file system's description; 1024 bytes (struct ext4_super_block)."""

    s_inodes_count: Le32
    s_blocks_count_lo: Le32
    s_r_blocks_count_lo: Le32
    s_free_blocks_count_lo: Le32
    s_free_inodes_count: Le32
    s_first_data_block: Le32
    s_log_block_size: Le32
    s_log_cluster_size: Le32
    s_blocks_per_group: Le32
    s_clusters_per_group: Le32
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
    s_uuid: Raw16
    s_volume_name: Raw16
    s_last_mounted: Raw64
    s_algorithm_usage_bitmap: Le32
    s_prealloc_blocks: Le8
    s_prealloc_dir_blocks: Le8
    s_reserved_gdt_blocks: Le16
    s_journal_uuid: Raw16
    s_journal_inum: Le32
    s_journal_dev: Le32
    s_last_orphan: Le32
    s_hash_seed: Raw16
    s_def_hash_version: Le8
    s_jnl_backup_type: Le8
    s_desc_size: Le16
    s_default_mount_opts: Le32
    s_first_meta_bg: Le32
    s_mkfs_time: Le32
    s_jnl_blocks: Raw68
    s_blocks_count_hi: Le32
    s_r_blocks_count_hi: Le32
    s_free_blocks_count_hi: Le32
    s_min_extra_isize: Le16
    s_want_extra_isize: Le16
    s_flags: Le32
    s_reserved: Raw668  # has no meaning for reading files


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescriptor(OnDisk):
    """The places of a block group's bitmaps and inodes; 32 bytes (struct ext2_group_desc)."""

    bg_block_bitmap_lo: Le32
    bg_inode_bitmap_lo: Le32
    bg_inode_table_lo: Le32
    bg_free_blocks_count_lo: Le16
    bg_free_inodes_count_lo: Le16
    bg_used_dirs_count_lo: Le16
    bg_flags: Le16
    bg_exclude_bitmap_lo: Le32
    bg_block_bitmap_csum_lo: Le16
    bg_inode_bitmap_csum_lo: Le16
    bg_itable_unused_lo: Le16
    bg_checksum: Le16


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescriptorHigh(OnDisk):
    """Follows GroupDescriptor where the file system has the feature 64bit; 32 bytes."""

    bg_block_bitmap_hi: Le32
    bg_inode_bitmap_hi: Le32
    bg_inode_table_hi: Le32
    bg_free_blocks_count_hi: Le16
    bg_free_inodes_count_hi: Le16
    bg_used_dirs_count_hi: Le16
    bg_itable_unused_hi: Le16
    bg_exclude_bitmap_hi: Le32
    bg_block_bitmap_csum_hi: Le16
    bg_inode_bitmap_csum_hi: Le16
    bg_reserved: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class InodeOnDisk(OnDisk):
    """The part of an inode that all revisions have; 128 bytes (struct ext2_inode)."""

    i_mode: Le16
    i_uid: Le16
    i_size_lo: Le32
    i_atime: SignedLe32
    i_ctime: SignedLe32
    i_mtime: SignedLe32
    i_dtime: Le32
    i_gid: Le16
    i_links_count: Le16
    i_blocks_lo: Le32
    i_flags: Le32
    i_osd1: Le32
    i_block: Raw60
    i_generation: Le32
    i_file_acl_lo: Le32
    i_size_high: Le32  # i_dir_acl, in directories
    i_obso_faddr: Le32
    l_i_blocks_high: Le16
    l_i_file_acl_high: Le16
    l_i_uid_high: Le16
    l_i_gid_high: Le16
    l_i_checksum_lo: Le16
    l_i_reserved: Le16


@dataclass(frozen=True, slots=True, kw_only=True)
class InodeExtra(OnDisk):
    """Follows InodeOnDisk in inodes larger than 128 bytes, up to i_extra_isize bytes of it; 32 bytes."""

    i_extra_isize: Le16
    i_checksum_hi: Le16
    i_ctime_extra: Le32
    i_mtime_extra: Le32
    i_atime_extra: Le32
    i_crtime: Le32
    i_crtime_extra: Le32
    i_version_hi: Le32
    i_projid: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry(OnDisk):
    """The beginning of a directory entry; the name follows; 8 bytes (struct ext2_dir_entry_2)."""

    inode: Le32
    rec_len: Le16
    name_len: Le8
    file_type: Le8  # without the feature filetype the high byte of name_len


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentHeader(OnDisk):
    """The beginning of a node in a tree of extents; 12 bytes (struct ext4_extent_header)."""

    eh_magic: Le16
    eh_entries: Le16
    eh_max: Le16
    eh_depth: Le16
    eh_generation: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentIndex(OnDisk):
    """A pointer to a node further down; 12 bytes (struct ext4_extent_idx)."""

    ei_block: Le32
    ei_leaf_lo: Le32
    ei_leaf_hi: Le16
    ei_unused: Le16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentLeaf(OnDisk):
    """A run of consecutive blocks; 12 bytes (struct ext4_extent)."""

    ee_block: Le32
    ee_len: Le16
    ee_start_hi: Le16
    ee_start_lo: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class XattrHeader(OnDisk):
    """The beginning of a block of extended attributes; 32 bytes (struct ext4_xattr_header)."""

    h_magic: Le32
    h_refcount: Le32
    h_blocks: Le32
    h_hash: Le32
    h_checksum: Le32
    h_reserved: Raw12


@dataclass(frozen=True, slots=True, kw_only=True)
class XattrEntry(OnDisk):
    """The beginning of an extended attribute; the name follows; 16 bytes (struct ext4_xattr_entry)."""

    e_name_len: Le8
    e_name_index: Le8
    e_value_offs: Le16
    e_value_inum: Le32
    e_value_size: Le32
    e_hash: Le32
