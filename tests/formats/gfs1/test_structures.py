"""GFS1's structures have the offsets and sizes of its header file."""

from typing import Final

import pytest

from ssiuml.formats.gfs1 import structures
from ssiuml.formats.gfs1.structures import (
    Dinode,
    IndirectHeader,
    JournalIndexEntry,
    LogHeader,
    Rgrp,
    Superblock,
)
from ssiuml.formats.ondisk import OnDisk

# Every field with its offset, copied by hand from the tables of the format; the last entry is the size.
TABLES: Final[dict[type[OnDisk], str]] = {
    Superblock: """
        sb_header 0 sb_fs_format 24 sb_multihost_format 28 sb_flags 32 sb_bsize 36 sb_bsize_shift 40
        sb_seg_size 44 sb_jindex_di 48 sb_rindex_di 64 sb_root_di 80 sb_lockproto 96 sb_locktable 160
        sb_quota_di 224 sb_license_di 240 sb_reserved 256 end 352""",
    JournalIndexEntry: "ji_addr 0 ji_nsegment 8 ji_pad 12 ji_reserved 16 end 80",
    Rgrp: """
        rg_header 0 rg_flags 24 rg_free 28 rg_useddi 32 rg_freedi 36 rg_freedi_list 40 rg_usedmeta 56
        rg_freemeta 60 rg_reserved 64 end 128""",
    Dinode: """
        di_header 0 di_num 24 di_mode 40 di_uid 44 di_gid 48 di_nlink 52 di_size 56 di_blocks 64
        di_atime 72 di_mtime 80 di_ctime 88 di_major 96 di_minor 100 di_rgrp 104 di_goal_rgrp 112
        di_goal_dblk 120 di_goal_mblk 124 di_flags 128 di_payload_format 132 di_type 136 di_height 138
        di_incarn 140 di_pad 144 di_depth 146 di_entries 148 di_next_unused 152 di_eattr 168
        di_reserved 176 end 232""",
    IndirectHeader: "in_header 0 in_reserved 24 end 88",
    LogHeader: """
        lh_header 0 lh_flags 24 lh_pad 28 lh_first 32 lh_sequence 40 lh_tail 48 lh_last_dump 56
        lh_reserved 64 end 128""",
}


@pytest.mark.parametrize("structure", TABLES, ids=lambda structure: structure.__name__)
def test_every_field_has_its_offset_and_every_structure_its_size(structure: type[OnDisk]) -> None:
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
