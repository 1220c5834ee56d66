"""Images as a crash leaves them: what was last written is in the journal only, or the journal is damaged."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Final

from editable_image import BLOCK, EditableImage, editable_image
from gfs_images import filesystem_of, gfs2_image

from ssiuml.formats.gfs.structures import MetaHeader, MetaType
from ssiuml.formats.gfs2.journal import log_header
from ssiuml.formats.gfs2.structures import LogHeader
from ssiuml.formats.gfs_reader.contents import BlockRole, walk_blocks
from ssiuml.formats.gfs_reader.inodes import read_inode

LOG_DESC_METADATA: Final = 300  # GFS2_LOG_DESC_METADATA in linux/gfs2_ondisk.h


def healthy_image(folder: Path) -> EditableImage:
    """Return a small GFS2 image with gfs_images.small_tree in it."""
    folder.mkdir(exist_ok=True)
    return editable_image(gfs2_image(folder, BLOCK), is_gfs1=False)


def crash(image: EditableImage, *places: str) -> None:
    """Let the newest state of the blocks at *places* be in the journal only, as if the nodes had crashed.

    In the file system itself the blocks are zeros. Source: struct gfs2_log_descriptor in linux/gfs2_ondisk.h.
    """
    blocks = _journal_blocks(image)
    last = 0  # the newest header of a journal that our writer makes
    old = LogHeader.unpack(image.data, blocks[last] * BLOCK)
    addresses = [image.places[place] // BLOCK for place in places]
    header = MetaHeader(
        mh_magic=0x01161970, mh_type=MetaType.LD, mh_generation=0, mh_format=900, mh_incarn=0
    ).pack()
    descriptor = header + struct.pack(">4I32x", LOG_DESC_METADATA, len(addresses) + 1, len(addresses), 0)
    descriptor += b"".join(struct.pack(">Q", address) for address in addresses)
    records = [descriptor.ljust(BLOCK, b"\0")]
    for address in addresses:
        place = slice(address * BLOCK, (address + 1) * BLOCK)
        records.append(bytes(image.data[place]))
        image.data[place] = bytes(BLOCK)
    number = last + 1 + len(records)
    head = replace(
        old,
        lh_sequence=old.lh_sequence + 1,
        lh_flags=0,
        lh_tail=last,
        lh_blkno=number,
        lh_addr=blocks[number],
    )
    records.append(log_header(head, BLOCK).ljust(BLOCK, b"\0"))
    for block, record in zip(blocks[last + 1 :], records, strict=False):
        image.data[block * BLOCK : (block + 1) * BLOCK] = record


def damage_journal(image: EditableImage) -> None:
    """Erase all log headers of the journal."""
    for block in _journal_blocks(image):
        image.data[block * BLOCK : (block + 1) * BLOCK] = bytes(BLOCK)


def erase(image: EditableImage, *places: str) -> None:
    """Erase the blocks at *places*, which no journal has."""
    for place in places:
        start = image.places[place]
        image.data[start : start + BLOCK] = bytes(BLOCK)


def _journal_blocks(image: EditableImage) -> list[int]:
    filesystem = filesystem_of(image.data)
    journal = read_inode(filesystem, image.places["journal"] // BLOCK, 0, "")
    pieces = walk_blocks(filesystem, journal)
    return [address for role, address, _ in pieces if role is BlockRole.DATA]
