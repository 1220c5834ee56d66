"""Reads the rindex and the bitmaps of resource groups."""

from typing import Final

from ssiuml.formats.gfs.resource_groups import BLOCKS_PER_BYTE, RGRP_HEADER_BYTES
from ssiuml.formats.gfs.structures import META_HEADER_BYTES, MetaType, RindexEntry
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, Report

# The four states in each possible byte of a bitmap, one byte for each state.
_STATES_OF_BYTE: Final = [bytes(byte >> 2 * slot & 3 for slot in range(4)) for byte in range(256)]
_MAX_RGRPS: Final = 1 << 20
_MAX_GROUP_BYTES: Final = 4 << 30  # mkfs.gfs2 and gfs_mkfs make groups of at most little more than 2 GiB


def read_rindex(filesystem: Filesystem, contents: bytes, owner: int, report: Report) -> list[RindexEntry]:
    """Return the possible resource groups in *contents* of the rindex, whose inode is *owner*.

    Impossible ones are reported and left out.
    """
    size = RindexEntry.size_bytes()
    if len(contents) % size or not contents or len(contents) // size > _MAX_RGRPS:
        report(
            Damaged(
                owner, "rindex", f"{len(contents)} bytes are not 1 to {_MAX_RGRPS} entries of {size} bytes"
            )
        )
    good: list[RindexEntry] = []
    end = 0
    whole = contents[: min(len(contents) // size, _MAX_RGRPS) * size]
    for number, entry in enumerate(RindexEntry.unpack_all(whole)):
        problem = _rindex_problem(filesystem, entry, end)
        if problem:
            report(Damaged(owner, f"rindex entry {number}", problem))
        else:
            good.append(entry)
            end = entry.ri_data0 + entry.ri_data
    return good


def _rindex_problem(filesystem: Filesystem, entry: RindexEntry, end: int) -> str | None:
    size = filesystem.block_size
    room = size - RGRP_HEADER_BYTES + (entry.ri_length - 1) * (size - META_HEADER_BYTES)
    if entry.ri_addr < end:
        return f"ri_addr {entry.ri_addr} lies before the end of the group before, {end}"
    if entry.ri_length < 1 or entry.ri_data0 != entry.ri_addr + entry.ri_length:
        return (
            f"ri_length {entry.ri_length} from {entry.ri_addr} on does not end at ri_data0 {entry.ri_data0}"
        )
    if entry.ri_data0 + entry.ri_data > filesystem.blocks:
        return f"ends at block {entry.ri_data0 + entry.ri_data}, the image at {filesystem.blocks}"
    if entry.ri_data * size > _MAX_GROUP_BYTES:
        return f"ri_data {entry.ri_data} is more than {_MAX_GROUP_BYTES // size} blocks"
    if entry.ri_bitbytes * BLOCKS_PER_BYTE != entry.ri_data or entry.ri_bitbytes > room:
        return (
            f"ri_bitbytes {entry.ri_bitbytes} do not fit {entry.ri_data} blocks in {entry.ri_length} bitmaps"
        )
    return None


def read_bitmap(filesystem: Filesystem, group: RindexEntry, report: Report) -> tuple[bytes, bytes]:
    """Return the bitmap of a group and the block of its header. Raise Damaged for a wrong metadata header."""
    parts, first = [], b""
    for index in range(group.ri_length):
        kind = MetaType.RB if index else MetaType.RG
        data = filesystem.metadata(group.ri_addr + index, kind, group.ri_addr, "rindex entry")
        parts.append(data[META_HEADER_BYTES if index else RGRP_HEADER_BYTES :])
        first = first or data
    bitmap = b"".join(parts)
    if any(bitmap[group.ri_bitbytes :]):
        report(Damaged(group.ri_addr, "bitmap", "goes on behind the group's last block"))
    return bitmap[: group.ri_bitbytes], first


def states_of(bitmap: bytes) -> bytes:
    """Return the state of each block of a bitmap, one byte for each."""
    return b"".join([_STATES_OF_BYTE[byte] for byte in bitmap])
