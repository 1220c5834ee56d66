"""Which blocks are used and for what: what inodes say, held against the bitmaps of resource groups."""

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ssiuml.formats.gfs.resource_groups import BLOCKS_PER_BYTE, RGRP_HEADER_BYTES
from ssiuml.formats.gfs.structures import META_HEADER_BYTES, MetaType, RindexEntry, State
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.damage import Damaged, Report
from ssiuml.formats.gfs_reader.filesystem import Filesystem

# The four states in a byte of a bitmap, one byte each.
_STATES_OF_BYTE: Final = [bytes(byte >> 2 * slot & 3 for slot in range(4)) for byte in range(256)]
_WORDS: Final = {State.FREE: "free", State.USED: "used", State.UNLINKED: "state 2", State.DINODE: "state 3"}
_MAX_RGRPS: Final = 1 << 20
_MAX_GROUP_BYTES: Final = 4 << 30  # mkfs.gfs2 and gfs_mkfs stay below 2 GiB and a little


def read_rindex(filesystem: Filesystem, contents: bytes, owner: int, report: Report) -> list[RindexEntry]:
    """The resource groups that the resource index describes, without those that cannot be."""
    size = RindexEntry.size_bytes()
    if len(contents) % size or not contents or len(contents) // size > _MAX_RGRPS:
        report(Damaged(owner, "rindex", f"{len(contents)} bytes are no entries of {size} bytes each"))
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


def states_of(bitmap: bytes) -> bytes:
    """What a bitmap says of its blocks, a byte each."""
    return b"".join([_STATES_OF_BYTE[byte] for byte in bitmap])


def read_bitmap(filesystem: Filesystem, group: RindexEntry, report: Report) -> tuple[bytes, bytes]:
    """The bitmap of a group, and its header; Damaged if a block of them is not what it should be."""
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


@dataclass(slots=True)
class _Owned:
    said: int
    counted: int = 0


class Usage:
    """Collects which blocks inodes use; at the end, compares with bitmaps and counters."""

    def __init__(self, filesystem: Filesystem, groups: Sequence[RindexEntry], report: Report) -> None:
        self._filesystem = filesystem
        self._groups = groups
        self._starts = [group.ri_data0 for group in groups]
        self._states: dict[int, bytearray] = {}
        self._dinodes: dict[int, int] = {}
        self._owned: dict[int, _Owned] = {}
        self._report = report
        self.metadata = State.DINODE if filesystem.is_gfs1 else State.USED

    def claim_dinode(self, address: int, blocks: int) -> None:
        """The inode at *address* says that it has so many *blocks*. Damaged if the block has another use."""
        self._claim(address, State.DINODE, address, "dinode")
        number = bisect_right(self._starts, address) - 1
        self._dinodes[number] = self._dinodes.get(number, 0) + 1
        self._owned[address] = _Owned(blocks)
        self._owned[address].counted = 1

    def claim(self, address: int, state: State, owner: int, structure: str) -> None:
        """A block of the inode at *owner*, to which *structure* points. Damaged if it has another use."""
        self._owned[owner].counted += 1
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
        """Compare with what resource groups say; return blocks, free ones and dinodes, by the bitmaps."""
        for address, owned in self._owned.items():
            if owned.said != owned.counted:
                self._report(Damaged(address, "dinode", f"di_blocks {owned.said}, there are {owned.counted}"))
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
            use = "nothing uses it" if wants == State.FREE else f"its use is {_WORDS[State(wants)]}"
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
        # gfs2_convert leaves these 0, and everybody accepts it.
        if header.rg_data0:
            seen["rg_data0"] = (header.rg_data0, group.ri_data0)
            seen["rg_data"] = (header.rg_data, group.ri_data)
            seen["rg_bitbytes"] = (header.rg_bitbytes, group.ri_bitbytes)
        if header.rg_crc:
            seen["rg_crc"] = (header.rg_crc, zlib.crc32(replace(header, rg_crc=0).pack()))
        self._check_counters(group, seen)

    def _check_counters(self, group: RindexEntry, seen: dict[str, tuple[int, int]]) -> None:
        for name, (said, counted) in seen.items():
            if said != counted:
                self._report(Damaged(group.ri_addr, "resource group", f"{name} {said}, should be {counted}"))
