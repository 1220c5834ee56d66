"""A whole ext2 image as a tree."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ssiuml.ext2.contents import Ext2Content, runs_of
from ssiuml.ext2.filesystem import Ext2, opened, record_of
from ssiuml.ext2.structures import (
    BLOCK_POINTERS_BYTES,
    OLD_INODE_BYTES,
    ROOT_INODE,
    InodeRecord,
    InodeTail,
)
from ssiuml.ext2.xattrs import read_xattrs
from ssiuml.tree import Kind, Literal, Meta, Node, Tree, kind_of_mode
from ssiuml.units import format_size

NS: Final = 1_000_000_000
MAX_LINK_BYTES: Final = 4095
# Sparse files may look larger than the image; nothing of 2001 does so by more.
_MOST_TIMES: Final = 16


def read_ext2(image: Path) -> Tree:
    """Read names, inodes and places of all bytes in *image*, which has to stay while contents are used.

    Owners, modes, times, devices, hard links and extended attributes are those of the image; nothing is
    mounted. Raises Ext2Error, with inode and structure, if the image is damaged or has features that are
    not known.
    """
    with opened(image) as filesystem:
        return _Reader(filesystem).tree()


class _Reader:
    def __init__(self, image: Ext2) -> None:
        self._image = image
        self._nodes: dict[int, Node] = {}
        self._bytes = 0

    def tree(self) -> Tree:
        tree = Tree()
        tree.root = self._node(ROOT_INODE, "the root")
        if tree.root.kind is not Kind.DIRECTORY:
            raise self._image.damaged(f"inode {ROOT_INODE}", "the root is no directory")
        todo = [(ROOT_INODE, tree.root)]
        while todo:
            number, node = todo.pop()
            for name, child_number in self._names(number):
                child = self._nodes.get(child_number)
                if child is None:
                    child = self._node(child_number, f"inode {number}: the name {name!r}")
                    if child.kind is Kind.DIRECTORY:
                        todo.append((child_number, child))
                elif child.kind is Kind.DIRECTORY:
                    raise self._image.damaged(f"inode {child_number}", "a directory that has two names")
                if name in node.children:
                    raise self._image.damaged(f"inode {number}", f"the name {name!r} is there twice")
                node.children[name] = child
        return tree

    def _node(self, number: int, named_by: str) -> Node:
        image, where = self._image, f"inode {number}"
        record, data = record_of(image, number, named_by)
        kind = kind_of_mode(record.i_mode)
        if kind is None or not record.i_links_count:
            raise image.damaged(where, f"is not in use (mode 0{record.i_mode:o}), {named_by} leads to it")
        node = Node(kind, self._meta(record, data, where))
        if kind is Kind.FILE:
            size = record.i_size | record.i_size_high << 32
            self._bytes += size
            if self._bytes > _MOST_TIMES * image.blocks * image.block_size:
                raise image.damaged(where, f"is said to have {format_size(size)}, more than can be")
            runs = runs_of(image, record.i_block, size, where)
            node.content = Ext2Content(image.path, size, image.block_size, runs) if size else Literal(b"")
        elif kind is Kind.SYMLINK:
            node.target = self._target(record, where)
        elif kind in (Kind.CHARACTER, Kind.BLOCK):
            node.device = _device(record.i_block)
        self._nodes[number] = node
        return node

    def _meta(self, record: InodeRecord, data: bytes, where: str) -> Meta:
        seconds, nanoseconds = record.i_mtime, 0
        if len(data) > OLD_INODE_BYTES:
            tail = InodeTail.unpack(data, OLD_INODE_BYTES)
            end = InodeTail.offset_of("i_mtime_extra") + 4
            if tail.i_extra_isize >= end:
                seconds += (tail.i_mtime_extra & 3) << 32
                nanoseconds = tail.i_mtime_extra >> 2
        if nanoseconds >= NS:
            raise self._image.damaged(where, f"i_mtime_extra has {nanoseconds} nanoseconds")
        return Meta(
            mode=stat.S_IMODE(record.i_mode),
            uid=record.i_uid | record.l_i_uid_high << 16,
            gid=record.i_gid | record.l_i_gid_high << 16,
            mtime_ns=seconds * NS + nanoseconds,
            xattrs=read_xattrs(self._image, data, record.i_file_acl, where),
        )

    def _target(self, record: InodeRecord, where: str) -> str:
        size = record.i_size
        if not 0 < size <= MAX_LINK_BYTES:
            raise self._image.damaged(where, f"a symbolic link of {size} bytes")
        is_short = size < BLOCK_POINTERS_BYTES
        target = record.i_block[:size] if is_short else self._contents(record, size, where)
        if b"\0" in target:
            raise self._image.damaged(where, "a symbolic link with a zero byte in it")
        return os.fsdecode(target)

    def _contents(self, record: InodeRecord, size_bytes: int, where: str) -> bytes:
        image = self._image
        runs = runs_of(image, record.i_block, size_bytes, where)
        if sum(run.blocks for run in runs) != -(-size_bytes // image.block_size):
            raise image.damaged(where, "has holes where there can be none")
        return b"".join(
            image.read(run.address * image.block_size, run.blocks * image.block_size) for run in runs
        )[:size_bytes]

    def _names(self, number: int) -> Iterator[tuple[str, int]]:
        """The names in the directory *number* but for . and ..; hash trees are read block by block, too."""
        image, where = self._image, f"inode {number}"
        record, _ = record_of(image, number, where)
        size = record.i_size
        if size % image.block_size or size > image.blocks * image.block_size:
            raise image.damaged(where, f"a directory of {size} bytes")
        data = self._contents(record, size, where)
        at = 0
        while at < size:
            inode = int.from_bytes(data[at : at + 4], "little")
            length = int.from_bytes(data[at + 4 : at + 6], "little")
            name_length = (
                data[at + 6] if image.has_file_types else int.from_bytes(data[at + 6 : at + 8], "little")
            )
            left = image.block_size - at % image.block_size
            if length < 8 or length % 4 or length > left or (inode and name_length + 8 > length):
                raise image.damaged(where, f"a name at byte {at} of the directory does not fit into it")
            name = data[at + 8 : at + 8 + name_length]
            at += length
            if not inode or name in (b".", b".."):
                continue
            if not name or b"/" in name or b"\0" in name:
                raise image.damaged(where, f"{name!r} cannot be the name of a file")
            yield os.fsdecode(name), inode


def _device(pointers: bytes) -> tuple[int, int]:
    """Major and minor number, in the old encoding (8 bits each) or the new one (kdev_t.h of the kernel)."""
    old = int.from_bytes(pointers[:4], "little")
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    new = int.from_bytes(pointers[4:8], "little")
    return new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00
