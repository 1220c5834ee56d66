"""The blocks of an inode, read from its indirect blocks or its tree of extents; neither is trusted."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from ssiuml.formats.ext2.filesystem import Filesystem
from ssiuml.formats.ext2.inodes import Inode
from ssiuml.formats.ext2.structures import (
    EXTENT_DEPTH_MAX,
    EXTENT_MAGIC,
    UNWRITTEN_FROM,
    ExtentHeader,
    ExtentIndex,
    ExtentLeaf,
)

Run = tuple[int, int, int]  # index in the contents, address, count; all in blocks

_DIRECT: Final = 12
_POINTER_BYTES: Final = 4
_HEADER_BYTES: Final = ExtentHeader.size_bytes()
_ENTRY_BYTES: Final = ExtentLeaf.size_bytes()
_INDEX_END: Final = 1 << 32  # the number of blocks that extents can reach


def runs_of(filesystem: Filesystem, inode: Inode) -> list[Run]:
    """Return the runs of blocks that hold the data of *inode*, ascending and merged; the rest are holes.

    Claim all blocks, those with pointers too. Raise Ext2Error if a block is outside of the file system or
    belongs to something else, if a node of extents contradicts itself, or if there are blocks behind the end.
    """
    walk = _Walk(filesystem, inode)
    if inode.has_extents:
        walk.extents(inode.body, None, inode.where, 0, _INDEX_END)
    else:
        walk.pointers_of_inode()
    if walk.runs and not inode.may_have_blocks_behind_its_end:
        index, _, count = walk.runs[-1]
        last = index + count - 1
        # One block more than the size needs is no damage for e2fsck either.
        if last * filesystem.block_size > inode.size_bytes:
            raise filesystem.damaged(
                inode.where, "i_size", f"{inode.size_bytes} ends before block {last} of the contents"
            )
    return walk.runs


def most_bytes(filesystem: Filesystem, inode: Inode) -> int:
    """Return the largest size in bytes that the pointers of *inode* can reach."""
    if inode.has_extents or inode.is_inline:
        return (_INDEX_END - 1) * filesystem.block_size
    per_block = filesystem.block_size // _POINTER_BYTES
    return (_DIRECT + per_block + per_block**2 + per_block**3) * filesystem.block_size


class _Walk:
    def __init__(self, filesystem: Filesystem, inode: Inode) -> None:
        self._filesystem = filesystem
        self._inode = inode
        self._per_block = filesystem.block_size // _POINTER_BYTES
        self.runs: list[Run] = []

    def _add(self, index: int, address: int, count: int, where: str, structure: str) -> None:
        self._filesystem.claim(address, count, where, structure)
        if self.runs:
            before, first, length = self.runs[-1]
            if before + length == index and first + length == address:
                self.runs[-1] = (before, first, length + count)
                return
        self.runs.append((index, address, count))

    # Indirect blocks

    def pointers_of_inode(self) -> None:
        words = struct.unpack("<15I", self._inode.body)
        self._direct(words[:_DIRECT], self._inode.where, "i_block", 0)
        index = _DIRECT
        for level, word in enumerate(words[_DIRECT:], 1):
            self._indirect(word, self._inode.where, "i_block", level, index)
            index += self._per_block**level

    def _indirect(self, address: int, where: str, structure: str, level: int, index: int) -> None:
        """Add the blocks below the indirect block at *address*, which has *level* levels of pointers."""
        if not address:
            return
        self._filesystem.claim(address, 1, where, structure)
        data = self._filesystem.block(address, where, structure)
        here = f"block {address} of inode {self._inode.number}"
        words = struct.unpack(f"<{self._per_block}I", data)
        if level == 1:
            self._direct(words, here, "indirect block", index)
            return
        step = self._per_block ** (level - 1)
        for number, word in enumerate(words):
            self._indirect(word, here, "indirect block", level - 1, index + number * step)

    def _direct(self, words: Sequence[int], where: str, structure: str, index: int) -> None:
        # Most blocks full of pointers have consecutive ones.
        if words[0] and words == tuple(range(words[0], words[0] + len(words))):
            self._add(index, words[0], len(words), where, structure)
            return
        for at, first, count in _consecutive(words):
            self._add(index + at, first, count, where, structure)

    # Extents

    def extents(self, data: bytes, depth: int | None, where: str, low: int, high: int) -> None:
        """Add the blocks below a node, which must lie from *low* to before *high* in the contents."""
        header = ExtentHeader.unpack(data)
        room = len(data) // _ENTRY_BYTES - 1
        if header.eh_magic != EXTENT_MAGIC:
            raise self._damaged(where, f"eh_magic 0x{header.eh_magic:04x} instead of 0x{EXTENT_MAGIC:04x}")
        if depth is None and header.eh_depth > EXTENT_DEPTH_MAX:
            raise self._damaged(where, f"eh_depth {header.eh_depth} is more than {EXTENT_DEPTH_MAX}")
        if depth is not None and header.eh_depth != depth:
            raise self._damaged(where, f"eh_depth {header.eh_depth} instead of {depth}")
        if not header.eh_entries <= header.eh_max <= room:
            raise self._damaged(
                where, f"eh_entries {header.eh_entries}, eh_max {header.eh_max}: there is room for {room}"
            )
        entries = data[_HEADER_BYTES : _HEADER_BYTES + header.eh_entries * _ENTRY_BYTES]
        if header.eh_depth == 0:
            self._leaves(entries, where, low, high)
            return
        nodes = list(ExtentIndex.unpack_all(entries))
        for number, node in enumerate(nodes):
            end = nodes[number + 1].ei_block if number + 1 < len(nodes) else high
            if not low <= node.ei_block < end <= high:
                raise self._damaged(where, f"ei_block {node.ei_block} is not within {low} to {end}")
            address = node.ei_leaf_lo | node.ei_leaf_hi << 32
            self._filesystem.claim(address, 1, where, "ei_leaf")
            below = self._filesystem.block(address, where, "ei_leaf")
            here = f"block {address} of inode {self._inode.number}"
            self.extents(below, header.eh_depth - 1, here, node.ei_block, end)

    def _leaves(self, entries: bytes, where: str, low: int, high: int) -> None:
        for leaf in ExtentLeaf.unpack_all(entries):
            unwritten = leaf.ee_len > UNWRITTEN_FROM
            count = leaf.ee_len - UNWRITTEN_FROM if unwritten else leaf.ee_len
            if not low <= leaf.ee_block < leaf.ee_block + count <= high:
                raise self._damaged(
                    where, f"ee_block {leaf.ee_block}, ee_len {leaf.ee_len} is not within {low} to {high}"
                )
            address = leaf.ee_start_lo | leaf.ee_start_hi << 32
            if unwritten:
                self._filesystem.claim(address, count, where, "ee_start")
            else:
                self._add(leaf.ee_block, address, count, where, "ee_start")
            low = leaf.ee_block + count

    def _damaged(self, where: str, problem: str) -> Exception:
        return self._filesystem.damaged(where, "extents", problem)


def _consecutive(words: Sequence[int]) -> Iterator[Run]:
    """Yield the runs of consecutive pointers, without those that are 0."""
    at = count = first = 0
    for number, word in enumerate(words):
        if count and word == first + count:
            count += 1
            continue
        if count:
            yield at, first, count
        at, first, count = number, word, 1 if word else 0
    if count:
        yield at, first, count
