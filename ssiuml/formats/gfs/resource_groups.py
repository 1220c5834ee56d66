"""Resource groups: allocation of their blocks, their bitmaps, and the rindex.

Blocks are never freed here. So the used blocks of a group are always its first ones, and a group remembers
only which of them are not in the state USED.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.pointer_tree import Run
from ssiuml.formats.gfs.structures import META_HEADER_BYTES, RindexEntry, State
from ssiuml.units import MIB

BLOCKS_PER_BYTE: Final = 4  # GFS2_NBBY
RGRP_HEADER_BYTES: Final = 128  # struct gfs2_rgrp, and that of GFS1
_USED_BYTE: Final = 0b01010101


class NoSpaceError(SsiumlError):
    """The files do not fit; a file system of *least_bytes* would hold them."""

    def __init__(self, message: str, *, hint: str | None = None, least_bytes: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.least_bytes = least_bytes


@dataclass(slots=True)
class ResourceGroup:
    """One resource group: *length* blocks of header and bitmap at *address*, then *blocks* to allocate."""

    address: int
    length: int
    blocks: int
    used: int = 0
    dinodes: int = 0
    # First block (counted from the first of the group's data) and number of blocks, flattened.
    _marked: "array[int]" = field(default_factory=lambda: array("Q"))

    @property
    def first(self) -> int:
        """The first block to allocate: ri_data0."""
        return self.address + self.length

    @property
    def free(self) -> int:
        return self.blocks - self.used

    @property
    def bitmap_bytes(self) -> int:
        """Bytes of the bitmap: ri_bitbytes."""
        return self.blocks // BLOCKS_PER_BYTE

    @property
    def marked(self) -> int:
        """Number of blocks in the state DINODE."""
        return sum(self._marked[1::2])

    def take(self, count: int) -> int:
        """Use the next *count* blocks and return the first one's address. The caller has checked *free*."""
        address = self.address + self.length + self.used
        self.used += count
        return address

    def mark(self, address: int, count: int) -> None:
        """Set used blocks to the state DINODE."""
        self._marked.append(address - self.address - self.length)
        self._marked.append(count)

    def bitmap(self) -> bytearray:
        """Return the states of all used blocks, four to a byte, lowest bits first, without trailing zeros."""
        bits = bytearray([_USED_BYTE]) * (self.used // BLOCKS_PER_BYTE)
        if rest := self.used % BLOCKS_PER_BYTE:
            bits.append(_USED_BYTE & ((1 << 2 * rest) - 1))
        # USED is 1 and DINODE is 3: setting one more bit turns USED into DINODE.
        more = State.DINODE - State.USED
        for first, count in zip(self._marked[::2], self._marked[1::2], strict=True):
            if count == 1:  # nearly always, in GFS2
                bits[first // BLOCKS_PER_BYTE] |= more << (2 * (first % BLOCKS_PER_BYTE))
                continue
            end = first + count
            while first < end:
                byte, slot = divmod(first, BLOCKS_PER_BYTE)
                if slot == 0 and end - first >= BLOCKS_PER_BYTE:
                    whole = (end - first) // BLOCKS_PER_BYTE
                    bits[byte : byte + whole] = b"\xff" * whole
                    first += whole * BLOCKS_PER_BYTE
                else:
                    bits[byte] |= more << (2 * slot)
                    first += 1
        return bits

    def bitmap_blocks(self, block_size: int) -> list[bytes]:
        """Split the bitmap over the group's first blocks; each part follows the header of its block."""
        bits, parts = self.bitmap(), []
        capacity = block_size - RGRP_HEADER_BYTES
        start = 0
        for _ in range(self.length):
            parts.append(bytes(bits[start : start + capacity]))
            start, capacity = start + capacity, block_size - META_HEADER_BYTES
        return parts


class BlockAllocator:
    """Allocates blocks from resource groups in the order of their addresses, lowest block first."""

    def __init__(self, groups: Iterable[ResourceGroup]) -> None:
        self.groups: Sequence[ResourceGroup] = tuple(groups)
        self._number = 0

    @property
    def free(self) -> int:
        """Number of free blocks in all groups."""
        return sum(group.free for group in self.groups)

    def allocate(self, dinode_state: int, used_state: int = 0, *, is_inode: bool = True) -> list[Run]:
        """Take the next blocks: an inode's first ones in the state DINODE, its others in the state USED.

        GFS2 sets only the dinode to the state DINODE, GFS1 all metadata of the inode. The first block counts
        as a dinode unless *is_inode* is false: then the inode has its dinode already. The blocks follow one
        another except where a group ends. Raise NoSpaceError if there are not enough.
        """
        wanted = dinode_state + used_state
        runs: list[Run] = []
        first = is_inode
        while wanted:
            if self._number == len(self.groups):
                raise NoSpaceError(f"{wanted} more blocks are needed than the file system has")
            group = self.groups[self._number]
            taken = min(wanted, group.blocks - group.used)
            if taken == 0:
                self._number += 1
                continue
            address = group.take(taken)
            runs.append((address, taken))
            if first:
                group.dinodes += 1
                first = False
            if dinode_state:
                marked = min(dinode_state, taken)
                group.mark(address, marked)
                dinode_state -= marked
            wanted -= taken
        return runs


def pack_rindex(groups: Iterable[ResourceGroup]) -> bytes:
    """Return the contents of the rindex: an entry for each group."""
    return b"".join(
        RindexEntry(
            ri_addr=group.address,
            ri_length=group.length,
            ri_data0=group.first,
            ri_data=group.blocks,
            ri_bitbytes=group.bitmap_bytes,
        ).pack()
        for group in groups
    )


def least_size_bytes(fits: Callable[[int], bool]) -> int:
    """Return the smallest size in bytes, of whole MiB, for which *fits* returns True."""
    high = 1
    while not fits(high * MIB):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle * MIB) else (middle, high)
    return high * MIB
