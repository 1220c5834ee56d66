"""Wrong entries of the rindex and wrong bitmaps are reported."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from editable_image import BLOCK, editable_image
from gfs_images import filesystem_of, findings, gfs2_image

from ssiuml.formats.gfs.structures import RindexEntry
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged
from ssiuml.formats.gfs_reader.inodes import read_inode
from ssiuml.formats.gfs_reader.resource_groups import read_rindex


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_wrong_bit_of_a_bitmap_is_reported_with_its_block(images: dict[bool, bytes], is_gfs1: bool) -> None:
    used, free = editable_image(images[is_gfs1], is_gfs1), editable_image(images[is_gfs1], is_gfs1)
    used.data[used.places["rgrp"] + 128] = 0
    assert any("bitmap: marked as free, but should be " in line for line in findings(used.data))
    # The last block of the last group is not used.
    size = read_inode(filesystem_of(free.data), free.places["rindex-inode"] // BLOCK, 0, "").size_bytes
    index = RindexEntry.unpack(free.data, free.places["rindex-inode"] + 232 + size - RindexEntry.size_bytes())
    behind = index.ri_bitbytes - (BLOCK - 128)
    while behind > 0:
        behind -= BLOCK - 24
    free.data[(index.ri_addr + index.ri_length) * BLOCK + behind - 1] |= 0x40
    address = index.ri_data0 + index.ri_data - 1
    assert f"block {address}: bitmap: marked as used, but nothing uses it" in findings(free.data)


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_bit_behind_the_last_block_of_a_group_is_reported(images: dict[bool, bytes], is_gfs1: bool) -> None:
    image = editable_image(images[is_gfs1], is_gfs1)
    index = RindexEntry.unpack(image.data, image.places["rindex-inode"] + 232)
    image.data[(index.ri_addr + index.ri_length) * BLOCK - 1] = 1
    found = findings(image.data)
    assert f"block {index.ri_addr}: bitmap: goes on behind the group's last block" in found


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_an_impossible_entry_of_the_rindex_is_reported(images: dict[bool, bytes], is_gfs1: bool) -> None:
    for field, value, size, reported in (
        ("ri_addr", 1 << 40, "Q", "rindex entry 0: ri_length"),
        ("ri_length", 0, "I", "rindex entry 0: ri_length 0"),
        ("ri_data", 4, "I", "rindex entry 0: ri_bitbytes"),
        ("ri_data", 1 << 31, "I", "rindex entry 0: ends at block"),
        ("ri_data0", 4, "Q", "rindex entry 0: ri_length"),
    ):
        image = editable_image(images[is_gfs1], is_gfs1)
        offset = image.places["rindex-inode"] + 232 + RindexEntry.offset_of(field)
        struct.pack_into(f">{size}", image.data, offset, value)
        assert any(reported in line for line in findings(image.data))
    image = editable_image(images[is_gfs1], is_gfs1)
    second = image.places["rindex-inode"] + 232 + RindexEntry.size_bytes()
    struct.pack_into(">Q", image.data, second + RindexEntry.offset_of("ri_addr"), 70)
    assert any("rindex entry 1: ri_addr 70 lies before the end of" in line for line in findings(image.data))
    image = editable_image(images[is_gfs1], is_gfs1)
    image.change("rindex-inode", "di_size", 97, "Q")
    assert any(
        "rindex: 97 bytes are not 1 to 1048576 entries of 96 bytes" in line for line in findings(image.data)
    )


def test_a_resource_group_of_an_absurd_size_is_reported_and_takes_no_memory(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(1 << 43)  # one hole, as large as the rindex entry says
    with open_image(image) as device:
        filesystem = replace(filesystem_of(gfs2_image(tmp_path, 4096)), device=device, blocks=1 << 31)
    # With as many bitmap blocks as needed, so that all numbers of the entry agree.
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
