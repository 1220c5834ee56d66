"""Surveys what each block of a GFS1 or GFS2 file system is used for: by inodes, journals, resource groups."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.resource_groups import BLOCKS_PER_BYTE
from ssiuml.formats.gfs.structures import RindexEntry, State
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.contents import BlockRole, ImageContent, read_index, walk_blocks
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, Report
from ssiuml.formats.gfs_reader.inodes import Inode
from ssiuml.formats.gfs_reader.journals import read_jindex
from ssiuml.formats.gfs_reader.resource_groups import read_bitmap, read_rindex, states_of
from ssiuml.formats.gfs_reader.tree_reader import ReadOnceVisitor, TreeReader
from ssiuml.inspect.tally import CHUNK_BLOCKS, Cell, Claims, Holes, Tally, Use
from ssiuml.tree.tree import Kind

CELLS_MOST: Final = 6144
# These match states of blocks: 0 to 3 from the bitmap, or with the bit tally.CLAIMED set.
_FREE_RUNS: Final = re.compile(b"\0+")
_FREE_RUNS_GFS1: Final = re.compile(b"[\0\2]+")
_LOST_RUNS: Final = re.compile(b"[\1\2\3]+")
_LOST_RUNS_GFS1: Final = re.compile(b"[\1\3]+")


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The uses of a file system's blocks, in cells of *cell_blocks* blocks each."""

    blocks: int
    block_size: int
    cell_blocks: int
    cells: Sequence[Cell]
    groups: Sequence[tuple[int, int]]  # first block, block behind the last
    journals: int

    def total(self, use: Use) -> tuple[int, int]:
        """Return how many blocks have this use, and how many of them are holes."""
        return sum(cell.counts[use] for cell in self.cells), sum(cell.holes[use] for cell in self.cells)

    def group_of(self, cell: int) -> int | None:
        """Return the number of the resource group in which a cell ends; None if it ends outside of them."""
        last = min((cell + 1) * self.cell_blocks, self.blocks) - 1
        number = bisect_right(self.groups, last, key=lambda group: group[0]) - 1
        return number if number >= 0 and last < self.groups[number][1] else None


def survey_occupancy(filesystem: Filesystem, report: Report) -> Occupancy:
    """Return what all blocks of *filesystem* are used for. Damage goes to *report*; the rest still counts.

    A block has the use of the structure that points to it. If nothing does, its bit in the bitmap decides
    between FREE and UNKNOWN. Memory grows with the number of inodes, and by a bit for each block in use
    (512 MiB for 16 TiB of blocks of 4 KiB, all full).
    """
    cell_blocks = 1
    while filesystem.blocks > CELLS_MOST * cell_blocks:
        cell_blocks *= 2
    tally = Tally(filesystem.blocks, cell_blocks, Holes(filesystem.device, filesystem.block_size))
    counter = _Counter(filesystem, tally, report)
    counter.count_run(filesystem.superblock_block, 1, Use.SUPERBLOCK)
    if isinstance(filesystem.superblock, gfs1.Superblock):
        groups, journals = _survey_gfs1(filesystem, filesystem.superblock, counter, report)
    else:
        groups, journals = _survey_gfs2(filesystem, filesystem.superblock, counter, report)
    for group in groups:
        counter.count_unclaimed(group)
    return Occupancy(
        blocks=filesystem.blocks,
        block_size=filesystem.block_size,
        cell_blocks=cell_blocks,
        cells=tally.cells(),
        groups=[(group.ri_addr, group.ri_data0 + group.ri_data) for group in groups],
        journals=journals,
    )


class _Counter:
    """The visitor of a TreeReader that counts the blocks of all inodes."""

    def __init__(self, filesystem: Filesystem, tally: Tally, report: Report) -> None:
        self._filesystem = filesystem
        self._report = report
        self._claims = Claims()
        self._tally = tally
        self.journals: frozenset[int] = frozenset()  # addresses of the inodes of GFS2's journals
        self.is_system = False  # whether the survey visits the system's inodes, not those of the root

    def count_run(self, start: int, count: int, use: Use) -> None:
        """Count blocks at a place that the format defines. Blocks counted before keep their use."""
        inside = min(count, self._filesystem.blocks - start)  # an image may end within its superblock's block
        for first, length in self._claims.add_run(start, inside):
            self._tally.add(first, length, use)

    def visit(self, inode: Inode) -> None:
        self._claim(inode.address, Use.DINODE, inode.address, "dinode")
        use = Use.DATA
        if inode.address in self.journals:
            use = Use.JOURNAL
        elif self.is_system or inode.kind is Kind.DIRECTORY:
            use = Use.METADATA
        try:
            for part, address, _ in walk_blocks(self._filesystem, inode):
                self._claim(
                    address, use if part is BlockRole.DATA else Use.METADATA, inode.address, part.value
                )
        except Damaged as damage:
            self._report(damage)

    def claim(self, address: int, owner: int, structure: str) -> None:
        self._claim(address, Use.METADATA, owner, structure)

    def _claim(self, address: int, use: Use, owner: int, structure: str) -> None:
        if address >= self._filesystem.blocks:
            raise Damaged(owner, structure, f"points to block {address}, outside of the file system")
        if not self._claims.add(address):
            raise Damaged(owner, structure, f"block {address} belongs to something else already")
        self._tally.add(address, 1, use)

    def count_unclaimed(self, group: RindexEntry) -> None:
        """Count the blocks of a resource group that nothing points to."""
        bitmap: bytes | None = None
        try:
            bitmap, _ = read_bitmap(self._filesystem, group, self._report)
        except Damaged as damage:
            self._report(damage)
        # The group is read in pieces: if its length is damaged, it may seem to fill the image.
        for first in range(0, group.ri_data, CHUNK_BLOCKS):
            start, count = group.ri_data0 + first, min(CHUNK_BLOCKS, group.ri_data - first)
            if bitmap is not None:
                piece = bitmap[first // BLOCKS_PER_BYTE : (first + count) // BLOCKS_PER_BYTE]
                self._count_states(start, states_of(piece))
            elif self._claims.any_in(start, count):
                self._count_states(start, bytes([State.USED]) * count)
            else:
                self._tally.add(start, count, Use.UNKNOWN)

    def _count_states(self, start: int, states: bytes) -> None:
        """Count the blocks from *start* on that nothing points to, by their states in the bitmap."""
        count = len(states)
        if self._claims.any_in(start, count):
            both = int.from_bytes(states) | int.from_bytes(self._claims.states(start, count))
            states = both.to_bytes(count)
            # The states 4 to 7 of claimed blocks match none of the patterns.
        is_gfs1 = self._filesystem.is_gfs1
        for pattern, use in (
            (_FREE_RUNS_GFS1 if is_gfs1 else _FREE_RUNS, Use.FREE),
            (_LOST_RUNS_GFS1 if is_gfs1 else _LOST_RUNS, Use.UNKNOWN),
        ):
            for run in pattern.finditer(states):
                self._tally.add(start + run.start(), run.end() - run.start(), use)


def _survey_gfs1(
    filesystem: Filesystem, superblock: gfs1.Superblock, counter: _Counter, report: Report
) -> tuple[list[RindexEntry], int]:
    """Count all but unclaimed blocks. Return the resource groups and the number of journals."""
    groups = _groups(filesystem, superblock.sb_rindex_di.no_addr, "sb_rindex_di", counter, report)
    journals: list[gfs1.JournalIndexEntry] = []
    address = superblock.sb_jindex_di.no_addr
    try:
        contents = read_index(filesystem, address, "sb_jindex_di")
        journals = read_jindex(filesystem, contents, address, groups, report)
    except Damaged as damage:
        report(damage)
    for journal in journals:
        counter.count_run(journal.ji_addr, journal.ji_nsegment * superblock.sb_seg_size, Use.JOURNAL)
    reader = TreeReader(filesystem, report, counter)
    counter.is_system = True
    for name in ("sb_jindex_di", "sb_rindex_di", "sb_quota_di", "sb_license_di"):
        reader.read_system_file(getattr(superblock, name).no_addr, name)
    counter.is_system = False
    reader.read_tree(filesystem.root, "sb_root_di")
    return groups, len(journals)


def _survey_gfs2(
    filesystem: Filesystem, superblock: gfs2.Superblock, counter: _Counter, report: Report
) -> tuple[list[RindexEntry], int]:
    """Count all but unclaimed blocks. Return the resource groups and the number of journals."""
    # The first walk only finds the rindex and the journals. The second one reports the damage.
    address = superblock.sb_master_dir.no_addr
    master = TreeReader(filesystem, lambda damage: None, ReadOnceVisitor(filesystem)).read_tree(
        address, "sb_master_dir"
    )
    rindex, jindex = master.find("rindex"), master.find("jindex")
    counter.journals = frozenset(
        node.content.address
        for node in (jindex.children.values() if jindex is not None else ())
        if isinstance(node.content, ImageContent)
    )
    groups: list[RindexEntry] = []
    if rindex is not None and isinstance(rindex.content, ImageContent):
        groups = _groups(filesystem, rindex.content.address, "rindex", counter, report)
    else:
        report(Damaged(address, "master directory", "has no rindex"))
    reader = TreeReader(filesystem, report, counter)
    counter.is_system = True
    reader.read_tree(address, "sb_master_dir")
    counter.is_system = False
    reader.read_tree(filesystem.root, "sb_root_dir")
    return groups, len(counter.journals)


def _groups(
    filesystem: Filesystem, address: int, structure: str, counter: _Counter, report: Report
) -> list[RindexEntry]:
    try:
        contents = read_index(filesystem, address, structure)
    except Damaged as damage:
        report(damage)
        return []
    groups = read_rindex(filesystem, contents, address, report)
    for group in groups:
        counter.count_run(group.ri_addr, group.ri_length, Use.GROUP)
    return groups
