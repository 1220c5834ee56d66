"""Reads the jindex, and checks that journals are complete and clean."""

import zlib
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Final

from ssiuml.formats.gfs.structures import MAGIC, MetaHeader, MetaType, RindexEntry
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs2.journal import log_header
from ssiuml.formats.gfs_reader.contents import BlockRole, walk_blocks
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, Report, check_header
from ssiuml.formats.gfs_reader.inodes import Inode

_MAX_JOURNALS: Final = 1 << 16
_LOG_HEADER_HASHED: Final = gfs2.LogHeader.offset_of("lh_crc")


def read_jindex(
    filesystem: Filesystem, contents: bytes, owner: int, groups: Sequence[RindexEntry], report: Report
) -> list[gfs1.JournalIndexEntry]:
    """Return the GFS1 journals in *contents* of the jindex, whose inode is *owner*.

    A journal that overlaps a resource group, another journal or the image's end is reported and left out.
    """
    size = gfs1.JournalIndexEntry.size_bytes()
    if len(contents) % size or not contents or len(contents) // size > _MAX_JOURNALS:
        report(
            Damaged(
                owner, "jindex", f"{len(contents)} bytes are not 1 to {_MAX_JOURNALS} entries of {size} bytes"
            )
        )
    superblock = filesystem.superblock
    segment = superblock.sb_seg_size if isinstance(superblock, gfs1.Superblock) else 0
    taken = sorted((group.ri_addr, group.ri_data0 + group.ri_data) for group in groups)
    good = []
    whole = contents[: min(len(contents) // size, _MAX_JOURNALS) * size]
    for number, entry in enumerate(gfs1.JournalIndexEntry.unpack_all(whole)):
        start, end = entry.ji_addr, entry.ji_addr + entry.ji_nsegment * segment
        if entry.ji_nsegment < 1 or segment < 2 or end > filesystem.blocks:
            problem = (
                f"{entry.ji_nsegment} segments of {segment} blocks from {start} on, of {filesystem.blocks}"
            )
            report(Damaged(owner, f"jindex entry {number}", problem))
        elif _overlaps(taken, start, end):
            report(Damaged(owner, f"jindex entry {number}", f"blocks {start} to {end} have another use"))
        else:
            good.append(entry)
            insort(taken, (start, end))
    return good


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    """Return whether blocks from *start* to *end* lie in a range of *taken*, which is sorted."""
    after = bisect_left(taken, (start, start))
    before_reaches = after > 0 and taken[after - 1][1] > start
    return before_reaches or (after < len(taken) and taken[after][0] < end)


def check_gfs1_journal(filesystem: Filesystem, entry: gfs1.JournalIndexEntry, report: Report) -> None:
    """Report a segment without a log header in two equal copies, or a newest header that is not clean."""
    superblock = filesystem.superblock
    segment = superblock.sb_seg_size if isinstance(superblock, gfs1.Superblock) else 1
    newest: tuple[int, int, gfs1.LogHeader] | None = None
    size = gfs1.LogHeader.size_bytes()
    for number in range(entry.ji_nsegment):
        address = entry.ji_addr + number * segment
        try:
            data = filesystem.metadata(address, MetaType.LH, entry.ji_addr, "journal")
        except Damaged as damage:
            report(damage)
            return
        copy = data[gfs1.LOG_HEADER_COPY_BYTES : gfs1.LOG_HEADER_COPY_BYTES + size]
        if data[:size] != copy:
            report(Damaged(address, "log header", "its two copies differ"))
            return
        header = gfs1.LogHeader.unpack(data)
        if newest is None or header.lh_sequence > newest[0]:
            newest = (header.lh_sequence, address, header)
    if newest is not None and not newest[2].lh_flags & gfs1.LOG_UNMOUNTED:
        report(_not_clean(newest[1]))


def check_gfs2_journal(filesystem: Filesystem, inode: Inode, report: Report) -> None:
    """Report holes, a missing or wrong log header, or a newest header that is not clean."""
    newest: tuple[int, int, bytes] | None = None
    blocks = 0
    for role, address, index in walk_blocks(filesystem, inode):
        if role is not BlockRole.DATA:
            continue
        blocks += 1
        data = filesystem.block(address, inode.address, "journal")
        header = MetaHeader.unpack(data)
        if (header.mh_magic, header.mh_type) != (MAGIC, MetaType.LH):
            continue
        check_header(data, MetaType.LH, address)
        log = gfs2.LogHeader.unpack(data)
        hashed = data[: _LOG_HEADER_HASHED - 4] + bytes(4)
        if log.lh_hash != zlib.crc32(hashed):
            report(Damaged(address, "log header", f"lh_hash 0x{log.lh_hash:08x} is not that of its bytes"))
        elif log.lh_blkno != index:
            report(Damaged(address, "log header", f"lh_blkno {log.lh_blkno} is not its index {index}"))
        elif newest is None or log.lh_sequence > newest[0]:
            newest = (log.lh_sequence, address, data)
    if blocks * filesystem.block_size != inode.size_bytes:
        report(Damaged(inode.address, "journal", f"{blocks} blocks for {inode.size_bytes} bytes"))
    if newest is None:
        report(Damaged(inode.address, "journal", "has no log header"))
        return
    _, address, data = newest
    log = gfs2.LogHeader.unpack(data)
    if log_header(log, filesystem.block_size).ljust(filesystem.block_size, b"\0") != data:
        report(Damaged(address, "log header", f"lh_crc 0x{log.lh_crc:08x} is not that of its block"))
    if not log.lh_flags & gfs2.LOG_UNMOUNTED:
        report(_not_clean(address))


def _not_clean(address: int) -> Damaged:
    return Damaged(address, "journal", "is not clean: the file system is mounted, or was not unmounted")
