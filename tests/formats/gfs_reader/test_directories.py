"""Wrong directory entries are reported."""

import struct
import zlib
from collections.abc import Callable

import pytest
from editable_image import BLOCK, EditableImage, editable_image, findings_after
from gfs_images import filesystem_of, findings

from ssiuml.formats.gfs.structures import Dirent


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_name_that_is_impossible_double_or_in_the_wrong_leaf_is_reported(
    images: dict[bool, bytes], is_gfs1: bool
) -> None:
    def renamed(name: bytes) -> Callable[[EditableImage], None]:
        def change(image: EditableImage) -> None:
            start = image.places["dirent"]
            image.data[start + 40 : start + 48] = name
            image.change("dirent", "de_hash", zlib.crc32(name), "I")
            image.change("dirent", "de_name_len", len(name), "H")

        return change

    first = editable_image(images[is_gfs1], is_gfs1)
    second = first.places["second-dirent"] + 40
    assert Dirent.unpack(first.data, second - 40).de_name_len == 8
    twice = bytes(first.data[second : second + 8])
    elsewhere = next(
        name for name in (b"%08d" % n for n in range(10**6, 2 * 10**6)) if zlib.crc32(name) >> 31
    )
    for name, reported in (
        (b"a/bcdefg", "dirent: b'a/bcdefg' cannot be a name"),
        (b"abcdefg\0", "dirent: b'abcdefg\\x00' cannot be a name"),
        (twice, f"dirent: {twice!r} occurs twice"),
        (elsewhere, f"dirent: {elsewhere!r} belongs to slot"),
    ):
        assert any(reported in line for line in findings_after(images, is_gfs1, renamed(name)))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_root_that_is_no_directory_is_reported(images: dict[bool, bytes], is_gfs1: bool) -> None:
    image = editable_image(images[is_gfs1], is_gfs1)
    name = "sb_root_di" if is_gfs1 else "sb_root_dir"
    image.change("superblock", f"{name}.no_addr", image.places["stuffed"] // BLOCK, "Q")
    assert any(f"dinode: {name} is no directory" in line for line in findings(image.data))


@pytest.mark.parametrize("is_gfs1", [True, False])
def test_a_directory_in_itself_is_reported_and_not_followed(images: dict[bool, bytes], is_gfs1: bool) -> None:
    def loop(image: EditableImage) -> None:
        start = image.places["linear"] + 232 + 48 + 48
        root = filesystem_of(image.data).root
        struct.pack_into(">QQ", image.data, start, root if is_gfs1 else 99, root)

    assert any("is a second name of a directory" in line for line in findings_after(images, is_gfs1, loop))
