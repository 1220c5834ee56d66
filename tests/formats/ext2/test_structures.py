"""The structures of ext2 have the offsets and sizes of its header files."""

import struct
from pathlib import Path
from typing import Final

import pytest
from ext2_images import make_image
from programs import tool

from ssiuml.formats.ext2 import structures
from ssiuml.formats.ext2.structures import (
    DirectoryEntry,
    ExtentHeader,
    ExtentIndex,
    ExtentLeaf,
    GroupDescriptor,
    GroupDescriptorHigh,
    InodeExtra,
    InodeOnDisk,
    Superblock,
    XattrEntry,
    XattrHeader,
)
from ssiuml.formats.ondisk import OnDisk
from ssiuml.tree.tree import Tree

# Every field with its offset, copied by hand from the tables of the format; the last entry is the size.
TABLES: Final[dict[type[OnDisk], str]] = {
    Superblock: """
        s_inodes_count 0 s_blocks_count_lo 4 s_r_blocks_count_lo 8 s_free_blocks_count_lo 12
        s_free_inodes_count 16 s_first_data_block 20 s_log_block_size 24 s_log_cluster_size 28
        s_blocks_per_group 32 s_clusters_per_group 36 s_inodes_per_group 40 s_mtime 44 s_wtime 48
        s_mnt_count 52 s_max_mnt_count 54 s_magic 56 s_state 58 s_errors 60 s_minor_rev_level 62
        s_lastcheck 64 s_checkinterval 68 s_creator_os 72 s_rev_level 76 s_def_resuid 80 s_def_resgid 82
        s_first_ino 84 s_inode_size 88 s_block_group_nr 90 s_feature_compat 92 s_feature_incompat 96
        s_feature_ro_compat 100 s_uuid 104 s_volume_name 120 s_last_mounted 136
        s_algorithm_usage_bitmap 200 s_prealloc_blocks 204 s_prealloc_dir_blocks 205
        s_reserved_gdt_blocks 206 s_journal_uuid 208 s_journal_inum 224 s_journal_dev 228
        s_last_orphan 232 s_hash_seed 236 s_def_hash_version 252 s_jnl_backup_type 253 s_desc_size 254
        s_default_mount_opts 256 s_first_meta_bg 260 s_mkfs_time 264 s_jnl_blocks 268
        s_blocks_count_hi 336 s_r_blocks_count_hi 340 s_free_blocks_count_hi 344 s_min_extra_isize 348
        s_want_extra_isize 350 s_flags 352 s_reserved 356 end 1024""",
    GroupDescriptor: """
        bg_block_bitmap_lo 0 bg_inode_bitmap_lo 4 bg_inode_table_lo 8 bg_free_blocks_count_lo 12
        bg_free_inodes_count_lo 14 bg_used_dirs_count_lo 16 bg_flags 18 bg_exclude_bitmap_lo 20
        bg_block_bitmap_csum_lo 24 bg_inode_bitmap_csum_lo 26 bg_itable_unused_lo 28 bg_checksum 30
        end 32""",
    # In the kernel's single structure these follow at byte 32.
    GroupDescriptorHigh: """
        bg_block_bitmap_hi 0 bg_inode_bitmap_hi 4 bg_inode_table_hi 8 bg_free_blocks_count_hi 12
        bg_free_inodes_count_hi 14 bg_used_dirs_count_hi 16 bg_itable_unused_hi 18 bg_exclude_bitmap_hi 20
        bg_block_bitmap_csum_hi 24 bg_inode_bitmap_csum_hi 26 bg_reserved 28 end 32""",
    InodeOnDisk: """
        i_mode 0 i_uid 2 i_size_lo 4 i_atime 8 i_ctime 12 i_mtime 16 i_dtime 20 i_gid 24 i_links_count 26
        i_blocks_lo 28 i_flags 32 i_osd1 36 i_block 40 i_generation 100 i_file_acl_lo 104 i_size_high 108
        i_obso_faddr 112 l_i_blocks_high 116 l_i_file_acl_high 118 l_i_uid_high 120 l_i_gid_high 122
        l_i_checksum_lo 124 l_i_reserved 126 end 128""",
    # At byte 128 of the inode.
    InodeExtra: """
        i_extra_isize 0 i_checksum_hi 2 i_ctime_extra 4 i_mtime_extra 8 i_atime_extra 12 i_crtime 16
        i_crtime_extra 20 i_version_hi 24 i_projid 28 end 32""",
    DirectoryEntry: "inode 0 rec_len 4 name_len 6 file_type 7 end 8",
    ExtentHeader: "eh_magic 0 eh_entries 2 eh_max 4 eh_depth 6 eh_generation 8 end 12",
    ExtentIndex: "ei_block 0 ei_leaf_lo 4 ei_leaf_hi 8 ei_unused 10 end 12",
    ExtentLeaf: "ee_block 0 ee_len 4 ee_start_hi 6 ee_start_lo 8 end 12",
    XattrHeader: "h_magic 0 h_refcount 4 h_blocks 8 h_hash 12 h_checksum 16 h_reserved 20 end 32",
    XattrEntry: """
        e_name_len 0 e_name_index 1 e_value_offs 2 e_value_inum 4 e_value_size 8 e_hash 12 end 16""",
}


@pytest.mark.parametrize("structure", TABLES, ids=lambda structure: structure.__name__)
def test_every_field_has_its_offset_and_the_structure_its_size(structure: type[OnDisk]) -> None:
    words = TABLES[structure].split()
    *expected, end = zip(words[::2], map(int, words[1::2]), strict=True)
    fields = list(structure.__dataclass_fields__)  # type: ignore[attr-defined]
    assert [(name, structure.offset_of(name)) for name in fields] == expected
    assert structure.size_bytes() == end[1]


def test_every_structure_of_the_module_is_in_the_table() -> None:
    there = {
        value
        for value in vars(structures).values()
        if isinstance(value, type) and issubclass(value, OnDisk) and value.__module__ == structures.__name__
    }
    assert there == TABLES.keys()


def test_superblock_has_the_values_that_dumpe2fs_shows(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", Tree(), "-t", "ext4", "-g", "4096", "-L", "label", size_mib=32)
    pairs = [line.split(":", 1) for line in tool("dumpe2fs", "-h", image).splitlines() if ":" in line]
    shown = {key: value.strip() for key, value in pairs}
    seen = Superblock.unpack(image.read_bytes(), 1024)
    names = {
        "Inode count": seen.s_inodes_count,
        "Block count": seen.s_blocks_count_lo,
        "Reserved block count": seen.s_r_blocks_count_lo,
        "Free blocks": seen.s_free_blocks_count_lo,
        "Free inodes": seen.s_free_inodes_count,
        "First block": seen.s_first_data_block,
        "Block size": 1024 << seen.s_log_block_size,
        "Group descriptor size": seen.s_desc_size,
        "Reserved GDT blocks": seen.s_reserved_gdt_blocks,
        "Blocks per group": seen.s_blocks_per_group,
        "Inodes per group": seen.s_inodes_per_group,
        "First inode": seen.s_first_ino,
        "Inode size": seen.s_inode_size,
        "Required extra isize": seen.s_min_extra_isize,
        "Desired extra isize": seen.s_want_extra_isize,
        "Journal inode": seen.s_journal_inum,
    }
    assert {name: shown[name] for name in names} == {name: str(value) for name, value in names.items()}
    assert shown["Filesystem volume name"] == seen.s_volume_name.rstrip(b"\0").decode()
    assert shown["Directory Hash Seed"].replace("-", "") == seen.s_hash_seed.hex()
    assert struct.pack("<I", seen.s_mkfs_time) == struct.pack("<I", seen.s_lastcheck)
