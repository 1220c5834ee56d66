"""Journals that are not clean, wrong or missing are reported."""

import struct
import zlib
from dataclasses import replace

from editable_image import BLOCK, EditableImage, editable_image, findings_after
from gfs_images import findings

from ssiuml.formats.gfs.structures import Dirent, MetaHeader
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs2.journal import log_header


def test_a_gfs1_journal_that_is_not_clean_or_overlaps_files_is_reported(images: dict[bool, bytes]) -> None:
    def unclean(image: EditableImage) -> None:
        # The newest header is that of the last segment.
        count = gfs1.JournalIndexEntry.unpack(image.data, image.places["jindex"] + 232).ji_nsegment
        start = image.places["log"] + (count - 1) * 16 * BLOCK
        header = replace(gfs1.LogHeader.unpack(image.data, start), lh_flags=0).pack()
        image.data[start : start + 128] = image.data[start + 384 : start + 512] = header

    def moved(image: EditableImage) -> None:
        struct.pack_into(">Q", image.data, image.places["jindex"] + 232, 100)

    assert any("journal: is not clean" in line for line in findings_after(images, True, unclean))
    assert any("jindex entry 0: blocks 100 to " in line for line in findings_after(images, True, moved))


def test_a_gfs2_journal_that_is_not_clean_or_has_no_or_a_wrong_header_is_reported(
    images: dict[bool, bytes],
) -> None:
    def unclean(image: EditableImage) -> None:
        start = image.places["log"]
        header = replace(gfs2.LogHeader.unpack(image.data, start), lh_flags=0)
        image.data[start : start + 120] = log_header(header, BLOCK)

    def erased(image: EditableImage) -> None:
        for start in range(0, len(image.data), BLOCK):
            header = MetaHeader.unpack(image.data, start)
            if (header.mh_magic, header.mh_type) == (0x01161970, 8):
                image.data[start : start + BLOCK] = bytes(BLOCK)

    def misplaced(image: EditableImage) -> None:
        start = image.places["log"]
        header = replace(gfs2.LogHeader.unpack(image.data, start), lh_blkno=5)
        image.data[start : start + 120] = log_header(header, BLOCK)

    assert any(
        "log header: lh_blkno 5 is not its index" in line for line in findings_after(images, False, misplaced)
    )
    assert any("journal: is not clean" in line for line in findings_after(images, False, unclean))
    assert any("journal: has no log header" in line for line in findings_after(images, False, erased))


def test_a_journal_that_is_missing_in_jindex_is_reported(images: dict[bool, bytes]) -> None:
    image = editable_image(images[False], False)
    start = image.data.index(b"journal0") - 40
    image.data[start + 47 : start + 48] = b"7"
    struct.pack_into(">I", image.data, start + Dirent.offset_of("de_hash"), zlib.crc32(b"journal7"))
    assert any("jindex: its names are journal7, not journal0" in line for line in findings(image.data))
