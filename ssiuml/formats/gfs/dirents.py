"""Directories: entries in the dinode's block, or in leaves that a hash table of 2**depth pointers leads to.

The table's slot is the first *depth* bits of a name's hash. A leaf of depth d holds all names that share
their first d bits, so that 2**(depth - d) neighbouring slots point to it. Source: linux/gfs2_ondisk.h and
measurements with fsck.gfs2 and the kernel.
"""

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from sys import byteorder
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.structures import DEPTH_MAX, DINODE_BYTES, Dirent, Inum, Leaf
from ssiuml.formats.ondisk import fast_packer

_HASH_BITS: Final = 32
_HEADER_BYTES: Final = Dirent.size_bytes()
LEAF_HEADER_BYTES: Final = Leaf.size_bytes()
_pack_dirent = fast_packer(
    Dirent,
    ("de_inum.no_formal_ino", "de_inum.no_addr", "de_hash", "de_rec_len", "de_name_len", "de_type"),
).pack_into

# A name, the type of what it names, and that inode's two numbers.
Entry = tuple[bytes, int, int, int]


class DirectoryError(SsiumlError):
    """A directory cannot be stored."""


def name_hash(name: bytes) -> int:
    """The hash by which a name is found: CRC-32 (ISO 3309)."""
    return zlib.crc32(name)


def record_bytes(name_bytes: int) -> int:
    """The least that an entry takes up, whose name has so many bytes (GFS2_DIRENT_SIZE)."""
    return (_HEADER_BYTES + name_bytes + 7) & ~7


@dataclass(frozen=True, slots=True)
class LeafPlan:
    """One leaf: the bits that its names' hashes begin with, and which entries lie in which of its blocks.

    *blocks* are ranges of the hashed entries; there is more than one only where the depth is used up.
    """

    depth: int
    prefix: int
    blocks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class HashedPlan:
    """A directory with leaves; *order* are the entries' numbers, sorted by their names' hashes."""

    depth: int
    order: "array[int]"
    leaves: tuple[LeafPlan, ...]
    leaf_blocks: int

    @property
    def table_bytes(self) -> int:
        return 8 << self.depth


def plan_hashed(names: Sequence[bytes], block_size: int, *, chains: bool) -> HashedPlan:
    """Distribute *names* ('.' and '..' among them) over leaves.

    *chains*: where names share all bits that the largest table looks at, more than fit into a block, further
    blocks are chained to the leaf. Without, DirectoryError says so.
    """
    hashes = [zlib.crc32(name) for name in names]
    order = array("I", sorted(range(len(names)), key=hashes.__getitem__))
    sorted_hashes = [hashes[number] for number in order]
    ends = [0, *accumulate(record_bytes(len(names[number])) for number in order)]
    capacity = block_size - LEAF_HEADER_BYTES
    leaves: list[LeafPlan] = []
    # (depth, prefix, range of entries); the last one first, so that leaves come in the order of their hashes.
    todo = [(0, 0, 0, len(names))]
    while todo:
        depth, prefix, low, high = todo.pop()
        if ends[high] - ends[low] <= capacity:
            leaves.append(LeafPlan(depth, prefix, ((low, high),)))
        elif depth == DEPTH_MAX:
            if not chains:
                raise DirectoryError(
                    f"{high - low} of {len(names)} names share the first {DEPTH_MAX} bits of their hash, "
                    f"that is more than fit into a leaf of {block_size} bytes",
                    hint="rename some of them, or spread them over several directories",
                )
            leaves.append(LeafPlan(depth, prefix, tuple(_chain(ends, low, high, capacity))))
        else:
            middle_hash = (2 * prefix + 1) << (_HASH_BITS - depth - 1)
            middle = bisect_left(sorted_hashes, middle_hash, low, high)
            todo.append((depth + 1, 2 * prefix + 1, middle, high))
            todo.append((depth + 1, 2 * prefix, low, middle))
    # The kernel's first table fills half a block (gfs2_dir_hash_inval's users count on no smaller one).
    smallest = (block_size // 2 // 8).bit_length() - 1
    depth = max(smallest, *(leaf.depth for leaf in leaves))
    return HashedPlan(depth, order, tuple(leaves), sum(len(leaf.blocks) for leaf in leaves))


def _chain(ends: Sequence[int], low: int, high: int, capacity: int) -> Iterable[tuple[int, int]]:
    start = low
    for number in range(low, high):
        if ends[number + 1] - ends[start] > capacity:
            yield start, number
            start = number
    yield start, high


def hash_table(plan: HashedPlan, leaf_addresses: Sequence[int]) -> bytes:
    """The table: for each slot the address of its leaf's first block; *leaf_addresses* in plan's order."""
    table = array("Q")
    for leaf, address in zip(plan.leaves, leaf_addresses, strict=True):
        table.extend([address] * (1 << (plan.depth - leaf.depth)))
    if byteorder == "little":
        table.byteswap()
    return table.tobytes()


def put_entries(buffer: bytearray, start: int, end: int, entries: Iterable[Entry]) -> int:
    """Write entries into *buffer* between *start* and *end*, the last one up to *end*; return their number.

    The caller has seen that they fit. Bytes between and behind names are set to zero.
    """
    count, offset, size = 0, start, 0
    last: tuple[int, Entry] | None = None
    for entry in entries:
        name, kind, formal, address = entry
        offset += size
        length = len(name)
        size = (_HEADER_BYTES + length + 7) & ~7
        _pack_dirent(buffer, offset, formal, address, zlib.crc32(name), size, length, kind)
        buffer[offset + _HEADER_BYTES : offset + size] = name.ljust(size - _HEADER_BYTES, b"\0")
        count += 1
        last = (offset, entry)
    if last is None:
        _put_no_entry(buffer, start, end)
        return 0
    offset, (name, kind, formal, address) = last
    _pack_dirent(buffer, offset, formal, address, zlib.crc32(name), end - offset, len(name), kind)
    buffer[offset + size : end] = bytes(end - offset - size)
    return count


def _put_no_entry(buffer: bytearray, start: int, end: int) -> None:
    # The kernel writes a name of no bytes into an empty leaf; gfs_fsck of 2009 calls that damaged, and
    # everybody accepts one of one byte.
    empty = Dirent(de_inum=Inum(), de_hash=0, de_rec_len=end - start, de_name_len=1, de_type=0)
    buffer[start:end] = empty.pack().ljust(end - start, b"\0")


def put_leaf(
    buffer: bytearray,
    start: int,
    block_size: int,
    leaf: LeafPlan,
    entries: Iterable[Entry],
    *,
    next_address: int = 0,
    owner: int = 0,
    distance: int = 0,
) -> None:
    """Write a leaf's block; *owner* is the directory's address, *distance* the place in the chain."""
    end = start + block_size
    count = put_entries(buffer, start + LEAF_HEADER_BYTES, end, entries)
    Leaf(
        lf_depth=leaf.depth, lf_entries=count, lf_next=next_address, lf_inode=owner, lf_dist=distance
    ).pack_into(buffer, start)


def linear_bytes(names: Iterable[bytes]) -> int:
    """What the entries of a directory take up when they lie one behind the other."""
    return sum([(_HEADER_BYTES + 7 + len(name)) & ~7 for name in names])


def put_linear(buffer: bytearray, start: int, block_size: int, entries: Iterable[Entry]) -> None:
    """Write the entries of a directory without leaves into its dinode's block, which begins at *start*."""
    put_entries(buffer, start + DINODE_BYTES, start + block_size, entries)
