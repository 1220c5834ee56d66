"""verify reports every single wrong field, with its place."""

import struct
from typing import Final

import pytest
from editable_image import BLOCK, editable_image
from gfs_images import findings

from ssiuml.formats.gfs.structures import Quota
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2


def test_both_images_are_clean_before_a_change(images: dict[bool, bytes]) -> None:
    assert findings(images[True]) == []
    assert findings(images[False]) == []


# Place, field, new value, its size, and a part of the report; in both versions, or in one.
BOTH: Final = [
    ("stuffed", "di_header", 0, "I", "DI header: magic 0x00000000"),
    ("stuffed", "di_size", 1 << 63, "Q", "di_size 9223372036854775808 is more than a file can have"),
    ("linear", "di_height", 1, "H", "di_height 1 of a directory without leaves"),
    ("superblock", "sb_multihost_format", 7, "I", "superblock: sb_multihost_format 7 is not 1"),
    ("dot", "de_inum.no_addr", 99, "Q", "dirent: '.' leads to 99 instead of "),
    ("dot", "de_inum.no_formal_ino", 99, "Q", "no_formal_ino 99 of b'.' is not the inode's"),
    ("dot", "de_type", 8, "H", "de_type of b'.' is '"),
    ("dirent", "de_inum.no_formal_ino", 99, "Q", "dirent: no_formal_ino 99 of b'"),
    ("dirent", "de_rec_len", BLOCK - 104 - 16, "H", "byte 1008 is too near to the block's end"),
    ("second-dirent", "de_inum.no_formal_ino", 0, "Q", "no_formal_ino is 0 at byte "),
    ("large-ea", "ea_num_ptrs", 1, "B", "attribute: 1 pointers cannot hold the 65536 bytes of 'user.l'"),
    ("large-ea", "ea_data_len", 65_537, "I", "a name of 1 and a value of 65537 bytes is impossible"),
    ("stuffed", "di_size", 1 << 40, "Q", "di_height 0 cannot hold the 1099511627776 bytes"),
    ("stuffed", "di_blocks", 7, "Q", "di_blocks 7, there are 1"),
    ("stuffed", "di_nlink", 9, "I", "di_nlink 9, names that lead to it: 1"),
    ("stuffed", "di_height", 11, "H", "di_height 11 is more than 10"),
    ("stuffed", "di_payload_format", 1500, "I", "di_payload_format 1500, should be 0"),
    ("linear", "di_payload_format", 0, "I", "di_payload_format 0, should be 1200"),
    ("linear", "di_entries", 5, "I", "di_entries 5, there are 3"),
    ("linear", "di_flags", 0, "I", "di_flags of a directory without JDATA"),
    ("linear", "di_nlink", 7, "I", "di_nlink 7, names that lead to it: 3"),
    ("hashed", "di_depth", 18, "H", "di_depth 18 is more than 17"),
    ("hashed", "di_depth", 5, "H", "is no table of depth 5"),
    ("hashed", "di_payload_format", 1200, "I", "di_payload_format 1200, should be 0"),
    ("link", "di_size", 0, "Q", "di_size 0 of a symbolic link"),
    ("link", "di_size", 4000, "Q", "di_size 4000 of a symbolic link, 1 to 791 is possible"),
    ("file", "di_height", 0, "H", "di_height 0 cannot hold"),
    (
        "with-xattrs",
        "di_eattr",
        1 << 60,
        "Q",
        "di_eattr: block 1152921504606846976 is in no resource group",
    ),
    ("with-xattrs", "di_eattr", 70, "Q", "di_eattr: block 70 belongs to something else already"),
    ("with-xattrs", "di_eattr", 15_000, "Q", "block 15000: EA header: magic 0x00000000"),
    ("dot", "de_hash", 1, "I", "dirent: de_hash 0x00000001 is not that of b'.'"),
    ("dot", "de_rec_len", 44, "H", "dirent: de_rec_len 44 at byte 232 is impossible"),
    ("dot", "de_name_len", 0, "H", "dirent: de_name_len 0 at byte 232 is impossible"),
    ("dirent", "de_hash", 5, "I", "is not that of b'"),
    ("dirent", "de_type", 99, "H", "dirent: de_type 99 of b'"),
    ("dirent", "de_name_len", 300, "H", "dirent: de_name_len 300 at byte 104 is impossible"),
    ("dirent", "de_rec_len", 0, "H", "dirent: de_rec_len 0 at byte 104 is impossible"),
    ("leaf", "lf_entries", 77, "H", "leaf: lf_entries 77, there are "),
    ("leaf", "lf_depth", 17, "H", "leaf: lf_depth 17 does not fit"),
    ("leaf", "lf_dirent_format", 0, "I", "leaf: lf_dirent_format 0 is not 1200"),
    (
        "leaf",
        "lf_next",
        1 << 50,
        "Q",
        "leaf: points to block 1125899906842624, which is not in the file system",
    ),
    ("ea", "ea_rec_len", 4, "I", "attribute: ea_rec_len 4 at byte 24 is impossible"),
    ("ea", "ea_type", 9, "B", "attribute: ea_type 9 at byte 24 has no meaning"),
    ("ea", "ea_name_len", 0, "B", "attribute: a name of 0 and a value of"),
    ("ea", "ea_data_len", 60_000, "I", "do not fit into its record"),
    ("ea", "ea_flags", 1, "B", "attribute: the last one ends at byte"),
    ("rgrp", "rg_free", 1, "I", "resource group: rg_free 1, should be "),
    ("rgrp", "rg_header", 0, "I", "RG header: magic 0x00000000"),
]
GFS1: Final = [
    ("stuffed", "di_num", 1, "Q", "no_formal_ino 1 is not equal to no_addr, as GFS1 requires"),
    ("stuffed", "di_type", 6, "H", "di_type 6 is no kind of file"),
    (
        "superblock",
        "sb_jindex_di",
        1,
        "Q",
        "superblock: no_formal_ino 1 of sb_jindex_di is not equal to its no_addr",
    ),
    ("superblock", "sb_seg_size", 1, "I", "jindex entry 0: "),
    ("rgrp", "rg_useddi", 1, "I", "resource group: rg_useddi 1, should be "),
    ("rgrp", "rg_usedmeta", 1, "I", "resource group: rg_usedmeta 1, should be "),
    ("rgrp", "rg_freemeta", 1, "I", "resource group: rg_freemeta 1, should be 0"),
    ("dirent", "de_type", 2, "H", "de_type of b'"),
    ("jindex", "di_size", 79, "Q", "jindex: 79 bytes are not 1 to 65536 entries of 80 bytes"),
    ("rindex-inode", "di_payload_format", 0, "I", "di_payload_format 0, should be 1100"),
    ("jindex", "di_payload_format", 0, "I", "di_payload_format 0, should be 1000"),
    ("quota", "di_payload_format", 0, "I", "di_payload_format 0, should be 1500"),
    ("log", "lh_flags", 0, "I", "log header: its two copies differ"),
    ("log", "lh_header", 0, "I", "LH header: magic 0x00000000"),
]
GFS2: Final = [
    ("stuffed", "di_num.no_addr", 5, "Q", "no_addr 5 is not its own address"),
    ("stuffed", "di_num.no_formal_ino", 0, "Q", "no_formal_ino is 0"),
    ("superblock", "sb_master_dir.no_formal_ino", 77, "Q", "no_formal_ino 77 of sb_master_dir is not the"),
    ("superblock", "sb_root_dir.no_formal_ino", 77, "Q", "no_formal_ino 77 of sb_root_dir is not the"),
    ("dirent", "de_type", 4, "H", "de_type of b'"),
    ("rindex-inode", "di_payload_format", 0, "I", "di_payload_format 0, should be 1100"),
    ("quota", "di_payload_format", 0, "I", "di_payload_format 0, should be 1500"),
    ("statfs", "di_header", 0, "I", "statfs: is missing or has fewer than three numbers"),
    ("journal", "di_size", 1 << 20, "Q", "journal: 8192 blocks for 1048576 bytes"),
    ("rgrp", "rg_data0", 4, "Q", "resource group: rg_data0 4, should be "),
    ("rgrp", "rg_bitbytes", 4, "I", "resource group: rg_bitbytes 4, should be "),
    ("stuffed", "di_mode", 0o070644, "I", "di_mode 070644 is no kind of file"),
    ("stuffed", "di_mtime_nsec", 1_000_000_000, "I", "di_mtime_nsec 1000000000 is a second or more"),
    ("leaf", "lf_inode", 77, "Q", "leaf: lf_inode 77 is not its directory"),
    ("rgrp", "rg_dinodes", 1, "I", "resource group: rg_dinodes 1, should be "),
    ("rgrp", "rg_crc", 1, "I", "resource group: rg_crc 1, should be "),
    ("rgrp", "rg_data", 4, "I", "resource group: rg_data 4, should be "),
    ("log", "lh_hash", 1, "I", "log header: lh_hash 0x00000001 is not that of its bytes"),
    ("log", "lh_crc", 1, "I", "log header: lh_crc 0x00000001 is not that of its block"),
]
CASES: Final = [
    (is_gfs1, *case) for is_gfs1, cases in ((True, BOTH + GFS1), (False, BOTH + GFS2)) for case in cases
]


@pytest.mark.parametrize(
    ("is_gfs1", "place", "field", "value", "size", "reported"),
    CASES,
    ids=lambda each: str(each)[:20],
)
def test_a_wrong_field_is_reported(
    images: dict[bool, bytes], is_gfs1: bool, place: str, field: str, value: int, size: str, reported: str
) -> None:
    image = editable_image(images[is_gfs1], is_gfs1)
    image.change(place, field, value, size)
    found = findings(image.data)
    assert any(reported in line for line in found), found[:10]


def test_a_wrong_counter_of_statfs_is_reported(images: dict[bool, bytes]) -> None:
    for number, name in enumerate(("sc_total", "sc_free", "sc_dinodes")):
        image = editable_image(images[False], False)
        image.data[image.places["statfs"] + 232 + 8 * number + 7] ^= 1
        assert any(f"statfs: {name} " in line for line in findings(image.data))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_quota_file_with_an_incomplete_record_is_reported(images: dict[bool, bytes], is_gfs1: bool) -> None:
    image = editable_image(images[is_gfs1], is_gfs1)
    own = gfs1.Dinode if is_gfs1 else gfs2.Dinode
    offset = image.places["quota"] + own.offset_of("di_size")
    (size,) = struct.unpack_from(">Q", image.data, offset)
    assert size % Quota.size_bytes() == 0
    struct.pack_into(">Q", image.data, offset, size - 1)
    assert any(
        "quota: " in line and "are not 2 or more records of 88 bytes" in line for line in findings(image.data)
    )
