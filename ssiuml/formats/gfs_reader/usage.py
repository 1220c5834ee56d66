"""Compares the blocks that inodes use with the bitmaps and counters of resource groups."""

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ssiuml.formats.gfs.structures import RindexEntry, State
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, Report
from ssiuml.formats.gfs_reader.resource_groups import read_bitmap, states_of

_WORDS: Final = {State.FREE: "free", State.USED: "used", State.UNLINKED: "state 2", State.DINODE: "state 3"}


@dataclass(slots=True)
class _BlockCount:
    stated: int  # di_blocks
    counted: int = 0


class BlockUsage:
    """Collects the blocks that inodes use, and compares them with bitmaps and counters at the end."""

    def __init__(self, filesystem: Filesystem, groups: Sequence[RindexEntry], report: Report) -> None:
        self._filesystem = filesystem
        self._groups = groups
        self._starts = [group.ri_data0 for group in groups]
        self._states: dict[int, bytearray] = {}
        self._dinodes: dict[int, int] = {}
        self._block_counts: dict[int, _BlockCount] = {}
        self._report = report
        self.metadata_state = State.DINODE if filesystem.is_gfs1 else State.USED

    def claim_dinode(self, address: int, blocks: int) -> None:
        """Claim an inode's own block; *blocks* is its di_blocks. Raise Damaged if the block is claimed."""
        self._claim(address, State.DINODE, address, "dinode")
        number = bisect_right(self._starts, address) - 1
        self._dinodes[number] = self._dinodes.get(number, 0) + 1
        self._block_counts[address] = _BlockCount(blocks, 1)

    def claim(self, address: int, state: State, owner: int, structure: str) -> None:
        """Claim a block of the inode *owner*, to which *structure* points.

        Raise Damaged if the block is claimed already.
        """
        self._block_counts[owner].counted += 1
        self._claim(address, state, owner, structure)

    def _claim(self, address: int, state: State, owner: int, structure: str) -> None:
        number = bisect_right(self._starts, address) - 1
        inside = address - self._starts[number] if number >= 0 else -1
        if number < 0 or inside >= self._groups[number].ri_data:
            raise Damaged(owner, structure, f"block {address} is in no resource group")
        states = self._states.get(number)
        if states is None:
            states = self._states[number] = bytearray(self._groups[number].ri_data)
        if states[inside]:
            raise Damaged(owner, structure, f"block {address} belongs to something else already")
        states[inside] = state

    def check(self) -> tuple[int, int, int]:
        """Report all differences. Return the counts of blocks, free blocks (by bitmaps) and dinodes."""
        for address, count in self._block_counts.items():
            if count.stated != count.counted:
                problem = f"di_blocks {count.stated}, there are {count.counted}"
                self._report(Damaged(address, "dinode", problem))
        total = free = dinodes = 0
        for number, group in enumerate(self._groups):
            try:
                counts = self._check_group(number, group)
            except Damaged as damage:
                self._report(damage)
                continue
            total += group.ri_data
            free += counts[State.FREE]
            dinodes += self._dinodes.get(number, 0)
        return total, free, dinodes

    def _check_group(self, number: int, group: RindexEntry) -> list[int]:
        bitmap, header = read_bitmap(self._filesystem, group, self._report)
        marked = states_of(bitmap)
        expected = self._states.get(number) or bytes(group.ri_data)
        if marked != expected:
            self._compare(group, marked, expected)
        counts = [marked.count(state) for state in State]
        found = self._dinodes.get(number, 0)
        if self._filesystem.is_gfs1:
            self._check_gfs1(group, gfs1.Rgrp.unpack(header), counts, found)
        else:
            self._check_gfs2(group, gfs2.Rgrp.unpack(header), counts)
        return counts

    def _compare(self, group: RindexEntry, marked: bytes, expected: bytes | bytearray) -> None:
        for inside, (has, wants) in enumerate(zip(marked, expected, strict=True)):
            if has == wants or (self._filesystem.is_gfs1 and wants == State.FREE and has == State.UNLINKED):
                continue
            use = "nothing uses it" if wants == State.FREE else f"should be {_WORDS[State(wants)]}"
            self._report(
                Damaged(group.ri_data0 + inside, "bitmap", f"marked as {_WORDS[State(has)]}, but {use}")
            )

    def _check_gfs1(self, group: RindexEntry, header: gfs1.Rgrp, counts: list[int], found: int) -> None:
        seen = {
            "rg_free": (header.rg_free, counts[State.FREE]),
            "rg_useddi": (header.rg_useddi, found),
            "rg_usedmeta": (header.rg_usedmeta, counts[State.DINODE] - found),
            "rg_freemeta": (header.rg_freemeta + header.rg_freedi, counts[State.UNLINKED]),
        }
        self._check_counters(group, seen)

    def _check_gfs2(self, group: RindexEntry, header: gfs2.Rgrp, counts: list[int]) -> None:
        seen = {
            "rg_free": (header.rg_free, counts[State.FREE]),
            "rg_dinodes": (header.rg_dinodes, counts[State.DINODE]),
        }
        # gfs2_convert leaves these 0; fsck.gfs2 and the kernel accept that.
        if header.rg_data0:
            seen["rg_data0"] = (header.rg_data0, group.ri_data0)
            seen["rg_data"] = (header.rg_data, group.ri_data)
            seen["rg_bitbytes"] = (header.rg_bitbytes, group.ri_bitbytes)
        if header.rg_crc:
            seen["rg_crc"] = (header.rg_crc, zlib.crc32(replace(header, rg_crc=0).pack()))
        self._check_counters(group, seen)

    def _check_counters(self, group: RindexEntry, seen: dict[str, tuple[int, int]]) -> None:
        for name, (stated, counted) in seen.items():
            if stated != counted:
                problem = f"{name} {stated}, should be {counted}"
                self._report(Damaged(group.ri_addr, "resource group", problem))
