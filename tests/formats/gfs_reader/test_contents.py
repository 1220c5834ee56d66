"""Wrong pointers are reported and not followed, and bytes behind the end of contents are reported."""

import struct
from collections.abc import Callable

import pytest
from editable_image import BLOCK, EditableImage, editable_image, findings_after
from gfs_images import filesystem_of, findings

from ssiuml.formats.gfs_reader.contents import walk_blocks
from ssiuml.formats.gfs_reader.filesystem import Damaged
from ssiuml.formats.gfs_reader.inodes import read_inode


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_bytes_behind_the_end_of_contents_are_reported(images: dict[bool, bytes], is_gfs1: bool) -> None:
    def behind_stuffed(image: EditableImage) -> None:
        image.data[image.places["stuffed"] + BLOCK - 1] = 1

    def behind_ragged(image: EditableImage) -> None:
        image.data[image.places["ragged-data"] + BLOCK - 1] ^= 0xFF

    def behind_last(image: EditableImage) -> None:
        image.data[image.places["last-data"] + BLOCK - 1] ^= 0xFF

    assert any(
        "data block: bytes behind the end of inode" in line
        for line in findings_after(images, is_gfs1, behind_ragged)
    )

    assert any(
        "bytes behind its 1 bytes are not zero" in line
        for line in findings_after(images, is_gfs1, behind_stuffed)
    )
    image = editable_image(images[is_gfs1], is_gfs1)
    size = read_inode(filesystem_of(image.data), image.places["file"] // BLOCK, 0, "").size_bytes
    assert size % BLOCK == 0  # the last block is full: any last byte belongs to the contents
    assert findings_after(images, is_gfs1, behind_last) == []


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_pointers_out_of_the_file_system_and_to_blocks_of_others_are_reported(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    header = 88 if is_gfs1 else 24

    def point(target: int) -> Callable[[EditableImage], None]:
        return lambda image: struct.pack_into(">Q", image.data, image.places["indirect"] + header, target)

    assert any(
        "indirect block: points to block 99999999, which is not" in line
        for line in findings_after(images, is_gfs1, point(99_999_999))
    )
    assert any(
        "indirect block: points to block 3, which is not" in line
        for line in findings_after(images, is_gfs1, point(3))
    )
    root = filesystem_of(images[is_gfs1]).root
    assert any(
        f"block {root} belongs to something else already" in line
        for line in findings_after(images, is_gfs1, point(root))
    )


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_second_pointer_to_an_indirect_block_is_reported(images: dict[bool, bytes], is_gfs1: bool) -> None:
    def twice(image: EditableImage) -> None:
        pointers = image.places["file"] + 232
        image.data[pointers + 8 : pointers + 16] = image.data[pointers : pointers + 8]

    found = findings_after(images, is_gfs1, twice)
    assert any("dinode: points to the indirect block" in line and "second time" in line for line in found)


def test_a_file_with_more_blocks_than_the_file_system_is_an_error(
    images: dict[bool, bytes],
) -> None:
    """The test writes indirect blocks of three levels into free space; the lowest all point to one block."""
    image = editable_image(images[False], False)
    per_block, free = (BLOCK - 24) // 8, 20_000
    head = struct.pack(">IIQIIQ", 0x01161970, 5, 0, 500, 0, free - 1)[:24]
    for number in range(3 * per_block + 3):
        below = range(free + 3 + number * per_block, free + 3 + (number + 1) * per_block)
        words = below if number < 3 else [free - 1] * per_block
        start = (free + number) * BLOCK
        image.data[start : start + BLOCK] = (head + struct.pack(f">{per_block}Q", *words)).ljust(BLOCK, b"\0")
    struct.pack_into(">3Q", image.data, image.places["file"] + 232, free, free + 1, free + 2)
    image.change("file", "di_height", 3, "H")
    filesystem = filesystem_of(image.data)
    inode = read_inode(filesystem, image.places["file"] // BLOCK, 0, "")
    with pytest.raises(Damaged, match="more blocks than the file system"):
        list(walk_blocks(filesystem, inode))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_an_absurdly_large_index_is_reported_and_not_read(images: dict[bool, bytes], is_gfs1: bool) -> None:
    for place in ("rindex-inode", *(["jindex"] if is_gfs1 else [])):
        image = editable_image(images[is_gfs1], is_gfs1)
        image.change(place, "di_height", 3, "H")
        image.change(place, "di_size", 1 << 40, "Q")
        assert any("di_size 1099511627776 is more than" in line for line in findings(image.data))
