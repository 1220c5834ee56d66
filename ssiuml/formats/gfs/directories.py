"""Directories: entries in the dinode's block ("linear"), or in leaves below a hash table ("hashed").

The hash table has 2**depth pointers; the first *depth* bits of a name's hash select one. A leaf of depth d
holds all names whose hashes share the first d bits, so 2**(depth - d) neighbouring pointers lead to it.
Source: linux/gfs2_ondisk.h and measurements with fsck.gfs2 and the kernel.
"""

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from sys import byteorder
from typing import Final

from ssiuml.formats.gfs.structures import DEPTH_MAX, DINODE_BYTES, Dirent, Inum, Leaf, UnstorableError
from ssiuml.formats.ondisk import fast_packer

_HASH_BITS: Final = 32
_HEADER_BYTES: Final = Dirent.size_bytes()
LEAF_HEADER_BYTES: Final = Leaf.size_bytes()
_pack_dirent = fast_packer(
    Dirent,
    ("de_inum.no_formal_ino", "de_inum.no_addr", "de_hash", "de_rec_len", "de_name_len", "de_type"),
).pack_into

# A name, its de_type, and the no_formal_ino and no_addr of its inode.
Entry = tuple[bytes, int, int, int]


def name_hash(name: bytes) -> int:
    """Return de_hash of a name: CRC-32 (ISO 3309)."""
    return zlib.crc32(name)


def dirent_bytes(name_bytes: int) -> int:
    """Return the least size in bytes of an entry whose name has *name_bytes* bytes (GFS2_DIRENT_SIZE)."""
    return (_HEADER_BYTES + name_bytes + 7) & ~7


@dataclass(frozen=True, slots=True)
class LeafLayout:
    """One leaf: the first *depth* bits of its names' hashes, and the entries in each of its blocks.

    *blocks* are ranges of HashedLayout.order; a leaf has several only at the greatest depth.
    """

    depth: int
    prefix: int
    blocks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class HashedLayout:
    """A directory with leaves; *order* lists the numbers of its entries, sorted by the names' hashes."""

    depth: int
    order: "array[int]"
    leaves: tuple[LeafLayout, ...]
    leaf_blocks: int

    @property
    def table_bytes(self) -> int:
        return 8 << self.depth


def plan_hashed(names: Sequence[bytes], block_size: int, *, chains: bool) -> HashedLayout:
    """Distribute *names*, which include '.' and '..', over leaves.

    More names than fit into a block may share all bits that the largest table uses. Then *chains* allows to
    chain further blocks to the leaf. Without *chains*, raise UnstorableError.
    """
    hashes = [zlib.crc32(name) for name in names]
    order = array("I", sorted(range(len(names)), key=hashes.__getitem__))
    sorted_hashes = [hashes[number] for number in order]
    ends = [0, *accumulate(dirent_bytes(len(names[number])) for number in order)]
    capacity = block_size - LEAF_HEADER_BYTES
    leaves: list[LeafLayout] = []
    # (depth, prefix, range of entries), the last one first: leaves then come in the order of their hashes.
    todo = [(0, 0, 0, len(names))]
    while todo:
        depth, prefix, low, high = todo.pop()
        if ends[high] - ends[low] <= capacity:
            leaves.append(LeafLayout(depth, prefix, ((low, high),)))
        elif depth == DEPTH_MAX:
            if not chains:
                raise UnstorableError(
                    f"{high - low} of {len(names)} names share the first {DEPTH_MAX} bits of their hash, "
                    f"more than fit into a leaf of {block_size} bytes",
                    hint="rename some of them, or spread them over several directories",
                )
            leaves.append(LeafLayout(depth, prefix, tuple(_chain(ends, low, high, capacity))))
        else:
            middle_hash = (2 * prefix + 1) << (_HASH_BITS - depth - 1)
            middle = bisect_left(sorted_hashes, middle_hash, low, high)
            todo.append((depth + 1, 2 * prefix + 1, middle, high))
            todo.append((depth + 1, 2 * prefix, low, middle))
    # The kernel's first table fills half a block (users of gfs2_dir_hash_inval expect no smaller one).
    smallest = (block_size // 2 // 8).bit_length() - 1
    depth = max(smallest, *(leaf.depth for leaf in leaves))
    return HashedLayout(depth, order, tuple(leaves), sum(len(leaf.blocks) for leaf in leaves))


def _chain(ends: Sequence[int], low: int, high: int, capacity: int) -> Iterable[tuple[int, int]]:
    start = low
    for number in range(low, high):
        if ends[number + 1] - ends[start] > capacity:
            yield start, number
            start = number
    yield start, high


def hash_table(layout: HashedLayout, leaf_addresses: Sequence[int]) -> bytes:
    """Return the hash table; *leaf_addresses* are those of the first blocks of layout.leaves."""
    table = array("Q")
    for leaf, address in zip(layout.leaves, leaf_addresses, strict=True):
        table.extend([address] * (1 << (layout.depth - leaf.depth)))
    if byteorder == "little":
        table.byteswap()
    return table.tobytes()


def put_dirents(buffer: bytearray, start: int, end: int, entries: Iterable[Entry]) -> int:
    """Write *entries* into *buffer* from *start* on, and return their number.

    The last entry extends to *end*. The caller has checked that they fit. Bytes between and behind names
    become zero.
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
    # The kernel writes a name of 0 bytes into an empty leaf. gfs_fsck of 2009 calls that damaged; a name of
    # one byte is accepted by gfs_fsck, fsck.gfs2 and the kernel.
    empty = Dirent(de_inum=Inum(), de_hash=0, de_rec_len=end - start, de_name_len=1, de_type=0)
    buffer[start:end] = empty.pack().ljust(end - start, b"\0")


def put_leaf(
    buffer: bytearray,
    start: int,
    block_size: int,
    leaf: LeafLayout,
    entries: Iterable[Entry],
    *,
    next_address: int = 0,
    directory: int = 0,
    distance: int = 0,
) -> None:
    """Write one block of a leaf into *buffer* at *start*.

    *directory* goes to lf_inode and is the directory's address; *distance* goes to lf_dist and counts the
    blocks of the chain from 1. Both are 0 in GFS1.
    """
    end = start + block_size
    count = put_dirents(buffer, start + LEAF_HEADER_BYTES, end, entries)
    Leaf(
        lf_depth=leaf.depth, lf_entries=count, lf_next=next_address, lf_inode=directory, lf_dist=distance
    ).pack_into(buffer, start)


def linear_bytes(names: Iterable[bytes]) -> int:
    """Return the size in bytes of a directory's entries without gaps."""
    return sum([(_HEADER_BYTES + 7 + len(name)) & ~7 for name in names])


def put_linear(buffer: bytearray, start: int, block_size: int, entries: Iterable[Entry]) -> None:
    """Write the entries of a linear directory into its dinode's block, which begins at *start*."""
    put_dirents(buffer, start + DINODE_BYTES, start + block_size, entries)
