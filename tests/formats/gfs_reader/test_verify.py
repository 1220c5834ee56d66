"""verify finds every single field that is wrong, and says where it is."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from gfs_images import filesystem_of, findings, gfs1_image, gfs2_image

from ssiuml.formats.gfs.structures import Dirent, EaHeader, Flag, Inum, Leaf, MetaHeader, Quota, RindexEntry
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs2.journal import log_header
from ssiuml.formats.gfs_reader.contents import ImageContent, walk_blocks
from ssiuml.formats.gfs_reader.damage import Damaged
from ssiuml.formats.gfs_reader.device import opened
from ssiuml.formats.gfs_reader.inodes import read_inode
from ssiuml.formats.gfs_reader.survey import Once, Survey
from ssiuml.formats.gfs_reader.usage import read_rindex
from ssiuml.formats.ondisk import OnDisk
from ssiuml.tree.tree import Node

BLOCK: Final = 1024
INODES: Final = ("root", "file", "stuffed", "linear", "hashed", "link", "with-xattrs", "ragged")


@dataclass
class Patient:
    """An image, the places in it by name, and the structures of its generation."""

    data: bytearray
    is_gfs1: bool
    places: dict[str, int]  # byte offsets

    @property
    def structures(self) -> dict[str, type[OnDisk]]:
        own = gfs1 if self.is_gfs1 else gfs2
        return {
            "superblock": own.Superblock,
            "rgrp": own.Rgrp,
            "log": own.LogHeader,
            "rindex": RindexEntry,
            "leaf": Leaf,
            **dict.fromkeys(("dot", "dirent", "second-dirent"), Dirent),
            **dict.fromkeys(("ea", "large-ea"), EaHeader),
            **dict.fromkeys((*INODES, "jindex", "rindex-inode", "quota", "statfs", "journal"), own.Dinode),
        }

    def offset(self, place: str, field: str) -> int:
        """Where a field of a structure lies; of an Inum in it, one field: di_num.no_addr."""
        outer, _, inner = field.partition(".")
        within = Inum.offset_of(inner) if inner else 0
        return self.places[place] + self.structures[place].offset_of(outer) + within

    def change(self, place: str, field: str, value: int, size: str) -> None:
        struct.pack_into(f">{size}", self.data, self.offset(place, field), value)


def patient(data: bytes, is_gfs1: bool) -> Patient:
    filesystem = filesystem_of(data)
    addresses = _addresses(data)
    places = {name: address * BLOCK for name, address in addresses.items()}
    places["superblock"] = 65536
    root = read_inode(filesystem, filesystem.root, 0, "")
    assert root.depth == 0
    places["dot"] = filesystem.root * BLOCK + 232
    hashed = read_inode(filesystem, addresses["hashed"], 0, "")
    table = struct.unpack(">Q", hashed.body[:8])[0] if hashed.height == 0 else None
    if table is None:
        _, block, _ = next(iter(walk_blocks(filesystem, hashed)))
        table = struct.unpack_from(">Q", data, block * BLOCK + 24)[0]
    places["leaf"] = table * BLOCK
    places["dirent"] = table * BLOCK + 104
    places["second-dirent"] = places["dirent"] + Dirent.unpack(data, places["dirent"]).de_rec_len
    places["ea"] = read_inode(filesystem, addresses["with-xattrs"], 0, "").eattr * BLOCK + 24
    large = read_inode(filesystem, addresses["with-large-xattrs"], 0, "")
    assert not large.flags & Flag.EA_INDIRECT
    places["large-ea"] = large.eattr * BLOCK + 24
    places["ragged-data"] = (
        list(walk_blocks(filesystem, read_inode(filesystem, addresses["ragged"], 0, "")))[-1][1] * BLOCK
    )
    blocks = read_inode(filesystem, addresses["file"], 0, "")
    part = [address for _, address, _ in walk_blocks(filesystem, blocks)]
    places["indirect"] = part[0] * BLOCK
    places["last-data"] = part[-1] * BLOCK
    return Patient(bytearray(data), is_gfs1, places)


def _addresses(data: bytes) -> dict[str, int]:
    """Blocks by name, found with the undamaged image."""
    filesystem = filesystem_of(data)
    names = {
        "file": "blocks",
        "stuffed": "sizes/1",
        "linear": "linear",
        "hashed": "hashed",
        "link": "link",
        "with-xattrs": "attributes/small",
        "with-large-xattrs": "attributes/large",
        "ragged": "attributes/small",  # 9000 bytes
    }
    survey = Survey(filesystem, lambda damage: None, Once(filesystem))
    tree = survey.walk(filesystem.root, "root")
    by_node = {id(found.node): address for address, found in survey._found.items()}
    found = {name: by_node[id(tree.lookup(path, follow=False))] for name, path in names.items()}
    found["root"] = filesystem.root
    superblock = filesystem.superblock
    if isinstance(superblock, gfs1.Superblock):
        found["rgrp"] = filesystem.superblock_block + 1
        found["jindex"] = superblock.sb_jindex_di.no_addr
        found["rindex-inode"] = superblock.sb_rindex_di.no_addr
        found["quota"] = superblock.sb_quota_di.no_addr
        jindex = read_inode(filesystem, found["jindex"], 0, "")
        found["log"] = gfs1.JournalIndexEntry.unpack(jindex.body).ji_addr
    else:
        master = Survey(filesystem, lambda damage: None, Once(filesystem)).walk(
            superblock.sb_master_dir.no_addr, "m"
        )
        for name, path in (("rindex-inode", "rindex"), ("statfs", "statfs"), ("quota", "quota")):
            found[name] = _content(master.lookup(path)).address
        found["journal"] = _content(master.lookup("jindex/journal0")).address
        journal = read_inode(filesystem, found["journal"], 0, "")
        pieces = [
            (address, index)
            for part, address, index in walk_blocks(filesystem, journal)
            if part.value[0] == "d"
        ]
        found["log"] = next(address for address, index in pieces if index == len(pieces) // 2)
        index = read_inode(filesystem, found["rindex-inode"], 0, "")
        found["rgrp"] = RindexEntry.unpack(index.body).ri_addr
    return found


def _content(node: Node) -> ImageContent:
    assert isinstance(node.content, ImageContent)
    return node.content


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, bytes]:
    folder: Path = tmp_path_factory.mktemp("images")
    return {True: gfs1_image(folder, BLOCK), False: gfs2_image(folder, BLOCK)}


def test_both_images_are_clean_before_they_are_changed(images: dict[bool, bytes]) -> None:
    assert findings(images[True]) == []
    assert findings(images[False]) == []


# place, field, new value, its size, what is said; for both generations, GFS1 or GFS2 alone.
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
    ("stuffed", "di_num", 1, "Q", "no_formal_ino 1 is not its address, as in GFS1"),
    ("stuffed", "di_type", 6, "H", "di_type 6 is no kind of file"),
    ("superblock", "sb_jindex_di", 1, "Q", "superblock: no_formal_ino 1 of sb_jindex_di is not its address"),
    ("superblock", "sb_seg_size", 1, "I", "jindex entry 0: "),
    ("rgrp", "rg_useddi", 1, "I", "resource group: rg_useddi 1, should be "),
    ("rgrp", "rg_usedmeta", 1, "I", "resource group: rg_usedmeta 1, should be "),
    ("rgrp", "rg_freemeta", 1, "I", "resource group: rg_freemeta 1, should be 0"),
    ("dirent", "de_type", 2, "H", "de_type of b'"),
    ("jindex", "di_size", 79, "Q", "jindex: 79 bytes are no entries of 80 bytes each"),
    ("rindex-inode", "di_payload_format", 0, "I", "di_payload_format 0, should be 1100"),
    ("jindex", "di_payload_format", 0, "I", "di_payload_format 0, should be 1000"),
    ("quota", "di_payload_format", 0, "I", "di_payload_format 0, should be 1500"),
    ("log", "lh_flags", 0, "I", "log header: its two copies differ"),
    ("log", "lh_header", 0, "I", "LH header: magic 0x00000000"),
]
GFS2: Final = [
    ("stuffed", "di_num.no_addr", 5, "Q", "no_addr 5 is not where it lies"),
    ("stuffed", "di_num.no_formal_ino", 0, "Q", "no_formal_ino is 0"),
    ("superblock", "sb_master_dir.no_formal_ino", 77, "Q", "no_formal_ino 77 of sb_master_dir is not the"),
    ("superblock", "sb_root_dir.no_formal_ino", 77, "Q", "no_formal_ino 77 of sb_root_dir is not the"),
    ("dirent", "de_type", 4, "H", "de_type of b'"),
    ("rindex-inode", "di_payload_format", 0, "I", "di_payload_format 0, should be 1100"),
    ("quota", "di_payload_format", 0, "I", "di_payload_format 0, should be 1500"),
    ("statfs", "di_header", 0, "I", "statfs: is not there, or has not three numbers"),
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
    ("is_gfs1", "place", "field", "value", "size", "said"),
    CASES,
    ids=lambda each: str(each)[:20],
)
def test_a_field_that_is_wrong_is_found(
    images: dict[bool, bytes], is_gfs1: bool, place: str, field: str, value: int, size: str, said: str
) -> None:
    sick = patient(images[is_gfs1], is_gfs1)
    sick.change(place, field, value, size)
    found = findings(sick.data)
    assert any(said in line for line in found), found[:10]


def changed(images: dict[bool, bytes], is_gfs1: bool, change: Callable[[Patient], None]) -> list[str]:
    sick = patient(images[is_gfs1], is_gfs1)
    change(sick)
    return findings(sick.data)


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_bit_of_a_bitmap_that_is_wrong_is_found_with_its_block(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    used, free = patient(images[is_gfs1], is_gfs1), patient(images[is_gfs1], is_gfs1)
    used.data[used.places["rgrp"] + 128] = 0
    assert any("bitmap: marked as free, but its use is " in line for line in findings(used.data))
    # The last block of the last group, which nobody uses.
    size = read_inode(filesystem_of(free.data), free.places["rindex-inode"] // BLOCK, 0, "").size_bytes
    index = RindexEntry.unpack(free.data, free.places["rindex-inode"] + 232 + size - RindexEntry.size_bytes())
    behind = index.ri_bitbytes - (BLOCK - 128)
    while behind > 0:
        behind -= BLOCK - 24
    free.data[(index.ri_addr + index.ri_length) * BLOCK + behind - 1] |= 0x40
    address = index.ri_data0 + index.ri_data - 1
    assert f"block {address}: bitmap: marked as used, but nothing uses it" in findings(free.data)


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_bytes_behind_the_end_of_contents_are_found(images: dict[bool, bytes], is_gfs1: bool) -> None:
    def behind_stuffed(sick: Patient) -> None:
        sick.data[sick.places["stuffed"] + BLOCK - 1] = 1

    def behind_ragged(sick: Patient) -> None:
        sick.data[sick.places["ragged-data"] + BLOCK - 1] ^= 0xFF

    def behind_last(sick: Patient) -> None:
        sick.data[sick.places["last-data"] + BLOCK - 1] ^= 0xFF

    assert any(
        "data block: bytes behind the end of inode" in line
        for line in changed(images, is_gfs1, behind_ragged)
    )

    assert any(
        "bytes behind its 1 bytes are not zero" in line for line in changed(images, is_gfs1, behind_stuffed)
    )
    sick = patient(images[is_gfs1], is_gfs1)
    size = read_inode(filesystem_of(sick.data), sick.places["file"] // BLOCK, 0, "").size_bytes
    assert size % BLOCK == 0  # so there is nothing behind it, and any byte may be there
    assert changed(images, is_gfs1, behind_last) == []


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_pointers_out_of_the_file_system_and_to_what_others_own_are_found(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    header = 88 if is_gfs1 else 24

    def point(target: int) -> Callable[[Patient], None]:
        return lambda sick: struct.pack_into(">Q", sick.data, sick.places["indirect"] + header, target)

    assert any(
        "indirect block: points to block 99999999, which is not" in line
        for line in changed(images, is_gfs1, point(99_999_999))
    )
    assert any(
        "indirect block: points to block 3, which is not" in line
        for line in changed(images, is_gfs1, point(3))
    )
    root = filesystem_of(images[is_gfs1]).root
    assert any(
        f"block {root} belongs to something else already" in line
        for line in changed(images, is_gfs1, point(root))
    )


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_an_indirect_block_in_two_places_is_found(images: dict[bool, bytes], is_gfs1: bool) -> None:
    def twice(sick: Patient) -> None:
        pointers = sick.places["file"] + 232
        sick.data[pointers + 8 : pointers + 16] = sick.data[pointers : pointers + 8]

    found = changed(images, is_gfs1, twice)
    assert any("dinode: points to the indirect block" in line and "second time" in line for line in found)


def test_a_file_of_more_blocks_than_the_file_system_is_not_followed_to_its_end(
    images: dict[bool, bytes],
) -> None:
    """Three levels of indirect blocks in free space, at the bottom of which all lead to one block."""
    sick = patient(images[False], False)
    per_block, free = (BLOCK - 24) // 8, 20_000
    head = struct.pack(">IIQIIQ", 0x01161970, 5, 0, 500, 0, free - 1)[:24]
    for number in range(3 * per_block + 3):
        below = range(free + 3 + number * per_block, free + 3 + (number + 1) * per_block)
        words = below if number < 3 else [free - 1] * per_block
        start = (free + number) * BLOCK
        sick.data[start : start + BLOCK] = (head + struct.pack(f">{per_block}Q", *words)).ljust(BLOCK, b"\0")
    struct.pack_into(">3Q", sick.data, sick.places["file"] + 232, free, free + 1, free + 2)
    sick.change("file", "di_height", 3, "H")
    filesystem = filesystem_of(sick.data)
    inode = read_inode(filesystem, sick.places["file"] // BLOCK, 0, "")
    with pytest.raises(Damaged, match="more blocks than the file system"):
        list(walk_blocks(filesystem, inode))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_names_that_cannot_be_are_twice_or_in_the_wrong_leaf_are_found(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    def renamed(name: bytes) -> Callable[[Patient], None]:
        def change(sick: Patient) -> None:
            start = sick.places["dirent"]
            sick.data[start + 40 : start + 48] = name
            sick.change("dirent", "de_hash", zlib.crc32(name), "I")
            sick.change("dirent", "de_name_len", len(name), "H")

        return change

    first = patient(images[is_gfs1], is_gfs1)
    second = first.places["second-dirent"] + 40
    assert Dirent.unpack(first.data, second - 40).de_name_len == 8
    twice = bytes(first.data[second : second + 8])
    elsewhere = next(
        name for name in (b"%08d" % n for n in range(10**6, 2 * 10**6)) if zlib.crc32(name) >> 31
    )
    for name, said in (
        (b"a/bcdefg", "dirent: b'a/bcdefg' cannot be a name"),
        (b"abcdefg\0", "dirent: b'abcdefg\\x00' cannot be a name"),
        (twice, f"dirent: {twice!r} is there twice"),
        (elsewhere, f"dirent: {elsewhere!r} belongs to slot"),
    ):
        assert any(said in line for line in changed(images, is_gfs1, renamed(name)))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_attributes_that_are_there_twice_or_have_no_last_one_are_found_and_gaps_are_none(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    """In the block: security.capability, user.a, user.b."""

    def record(sick: Patient, number: int) -> int:
        start = sick.places["ea"]
        for _ in range(number):
            start += EaHeader.unpack(sick.data, start).ea_rec_len
        return start

    def twice(sick: Patient) -> None:
        assert sick.data[record(sick, 2) + 16 : record(sick, 2) + 17] == b"b"
        sick.data[record(sick, 2) + 16] = ord("a")

    def no_last(sick: Patient) -> None:
        sick.data[record(sick, 2) + EaHeader.offset_of("ea_flags")] = 0

    def gap(sick: Patient) -> None:
        sick.data[record(sick, 1) + EaHeader.offset_of("ea_type")] = 0

    assert any("attribute: 'user.a' is there twice" in line for line in changed(images, is_gfs1, twice))
    assert any(
        "attribute: no one is marked as the last" in line for line in changed(images, is_gfs1, no_last)
    )
    assert changed(images, is_gfs1, gap) == []  # Linux leaves one where an attribute was removed


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_root_that_is_no_directory_is_found(images: dict[bool, bytes], is_gfs1: bool) -> None:
    sick = patient(images[is_gfs1], is_gfs1)
    name = "sb_root_di" if is_gfs1 else "sb_root_dir"
    sick.change("superblock", f"{name}.no_addr", sick.places["stuffed"] // BLOCK, "Q")
    assert any(f"dinode: {name} is no directory" in line for line in findings(sick.data))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_bitmap_that_goes_on_behind_its_group_is_found(images: dict[bool, bytes], is_gfs1: bool) -> None:
    sick = patient(images[is_gfs1], is_gfs1)
    index = RindexEntry.unpack(sick.data, sick.places["rindex-inode"] + 232)
    sick.data[(index.ri_addr + index.ri_length) * BLOCK - 1] = 1
    found = findings(sick.data)
    assert f"block {index.ri_addr}: bitmap: goes on behind the group's last block" in found


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_indexes_that_are_absurdly_large_are_not_read(images: dict[bool, bytes], is_gfs1: bool) -> None:
    for place in ("rindex-inode", *(["jindex"] if is_gfs1 else [])):
        sick = patient(images[is_gfs1], is_gfs1)
        sick.change(place, "di_height", 3, "H")
        sick.change(place, "di_size", 1 << 40, "Q")
        assert any("di_size 1099511627776 is more than" in line for line in findings(sick.data))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_directory_in_itself_is_found_and_does_not_hang(images: dict[bool, bytes], is_gfs1: bool) -> None:
    def loop(sick: Patient) -> None:
        start = sick.places["linear"] + 232 + 48 + 48
        root = filesystem_of(sick.data).root
        struct.pack_into(">QQ", sick.data, start, root if is_gfs1 else 99, root)

    assert any("is a second name of a directory" in line for line in changed(images, is_gfs1, loop))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_resource_index_that_makes_no_sense_is_found(images: dict[bool, bytes], is_gfs1: bool) -> None:
    for field, value, size, said in (
        ("ri_addr", 1 << 40, "Q", "rindex entry 0: ri_length"),
        ("ri_length", 0, "I", "rindex entry 0: ri_length 0"),
        ("ri_data", 4, "I", "rindex entry 0: ri_bitbytes"),
        ("ri_data", 1 << 31, "I", "rindex entry 0: ends at block"),
        ("ri_data0", 4, "Q", "rindex entry 0: ri_length"),
    ):
        sick = patient(images[is_gfs1], is_gfs1)
        offset = sick.places["rindex-inode"] + 232 + RindexEntry.offset_of(field)
        struct.pack_into(f">{size}", sick.data, offset, value)
        assert any(said in line for line in findings(sick.data))
    sick = patient(images[is_gfs1], is_gfs1)
    second = sick.places["rindex-inode"] + 232 + RindexEntry.size_bytes()
    struct.pack_into(">Q", sick.data, second + RindexEntry.offset_of("ri_addr"), 70)
    assert any("rindex entry 1: ri_addr 70 lies before the end of" in line for line in findings(sick.data))
    sick = patient(images[is_gfs1], is_gfs1)
    sick.change("rindex-inode", "di_size", 97, "Q")
    assert any("rindex: 97 bytes are no entries of 96 bytes each" in line for line in findings(sick.data))


def test_a_resource_group_of_an_absurd_size_takes_no_memory(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(1 << 43)  # a hole that is as large as its index says
    with opened(image) as source:
        filesystem = replace(filesystem_of(gfs2_image(tmp_path, 4096)), source=source, blocks=1 << 31)
    # As many bitmap blocks as it takes, so that all its numbers agree.
    data = 1 << 30
    length = -(-data // 4 // (4096 - 24)) + 1
    entry = RindexEntry(
        ri_addr=17, ri_length=length, ri_data0=17 + length, ri_data=data, ri_bitbytes=data // 4
    )
    found: list[Damaged] = []
    assert read_rindex(filesystem, entry.pack(), 5, found.append) == []
    assert [str(each) for each in found] == [
        "block 5: rindex entry 0: ri_data 1073741824 is more than 1048576 blocks"
    ]


def test_gfs1_journals_that_are_not_clean_or_lie_where_files_are_are_found(images: dict[bool, bytes]) -> None:
    def unclean(sick: Patient) -> None:
        # The newest header is that of the last segment.
        count = gfs1.JournalIndexEntry.unpack(sick.data, sick.places["jindex"] + 232).ji_nsegment
        start = sick.places["log"] + (count - 1) * 16 * BLOCK
        header = replace(gfs1.LogHeader.unpack(sick.data, start), lh_flags=0).pack()
        sick.data[start : start + 128] = sick.data[start + 384 : start + 512] = header

    def moved(sick: Patient) -> None:
        struct.pack_into(">Q", sick.data, sick.places["jindex"] + 232, 100)

    assert any("journal: is not clean" in line for line in changed(images, True, unclean))
    assert any("jindex entry 0: blocks 100 to " in line for line in changed(images, True, moved))


def test_gfs2_journals_that_are_not_clean_or_have_no_header_are_found(images: dict[bool, bytes]) -> None:
    def unclean(sick: Patient) -> None:
        start = sick.places["log"]
        header = replace(gfs2.LogHeader.unpack(sick.data, start), lh_flags=0)
        sick.data[start : start + 120] = log_header(header, BLOCK)

    def erased(sick: Patient) -> None:
        for start in range(0, len(sick.data), BLOCK):
            header = MetaHeader.unpack(sick.data, start)
            if (header.mh_magic, header.mh_type) == (0x01161970, 8):
                sick.data[start : start + BLOCK] = bytes(BLOCK)

    def misplaced(sick: Patient) -> None:
        start = sick.places["log"]
        header = replace(gfs2.LogHeader.unpack(sick.data, start), lh_blkno=5)
        sick.data[start : start + 120] = log_header(header, BLOCK)

    assert any(
        "log header: lh_blkno 5 is not its place" in line for line in changed(images, False, misplaced)
    )
    assert any("journal: is not clean" in line for line in changed(images, False, unclean))
    assert any("journal: has no log header" in line for line in changed(images, False, erased))


def test_gfs2_journals_that_are_missing_in_their_directory_are_found(images: dict[bool, bytes]) -> None:
    sick = patient(images[False], False)
    start = sick.data.index(b"journal0") - 40
    sick.data[start + 47 : start + 48] = b"7"
    struct.pack_into(">I", sick.data, start + Dirent.offset_of("de_hash"), zlib.crc32(b"journal7"))
    assert any("jindex: its names are journal7, not journal0" in line for line in findings(sick.data))


def test_gfs2_statfs_that_is_wrong_is_found(images: dict[bool, bytes]) -> None:
    for number, name in enumerate(("sc_total", "sc_free", "sc_dinodes")):
        sick = patient(images[False], False)
        sick.data[sick.places["statfs"] + 232 + 8 * number + 7] ^= 1
        assert any(f"statfs: {name} " in line for line in findings(sick.data))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_quota_file_of_no_whole_records_is_found(images: dict[bool, bytes], is_gfs1: bool) -> None:
    sick = patient(images[is_gfs1], is_gfs1)
    own = gfs1.Dinode if is_gfs1 else gfs2.Dinode
    offset = sick.places["quota"] + own.offset_of("di_size")
    (size,) = struct.unpack_from(">Q", sick.data, offset)
    assert size % Quota.size_bytes() == 0
    struct.pack_into(">Q", sick.data, offset, size - 1)
    assert any("quota: " in line and "are no records of 88 bytes" in line for line in findings(sick.data))
