"""An open ext2 image: its superblock, checked, its blocks and its inodes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.ext2.structures import (
    MAGIC,
    OLD_INODE_BYTES,
    READABLE,
    SUPERBLOCK_BYTES,
    GroupDescriptor,
    Incompatible,
    InodeRecord,
    Superblock,
)
from ssiuml.units import format_size

_MAX_BLOCK_BYTES: Final = 65536


class Ext2Error(SsiumlError):
    """An image is no ext2 file system that can be read, or it is damaged."""


@dataclass(frozen=True, slots=True)
class Ext2:
    """An image that is open for reading."""

    path: Path
    number: int  # the open file
    superblock: Superblock
    tables: tuple[int, ...]  # the first block of each group's inodes

    @property
    def block_size(self) -> int:
        return 1024 << self.superblock.s_log_block_size

    @property
    def blocks(self) -> int:
        return self.superblock.s_blocks_count

    @property
    def inode_size(self) -> int:
        return self.superblock.s_inode_size if self.superblock.s_rev_level else OLD_INODE_BYTES

    @property
    def has_file_types(self) -> bool:
        """Whether the length of a name is one byte, and the type of its inode another."""
        return bool(
            self.superblock.s_rev_level and self.superblock.s_feature_incompat & Incompatible.FILETYPE
        )

    def damaged(self, where: str, problem: str) -> Ext2Error:
        return Ext2Error(f"{self.path}: {where}: {problem}", hint="e2fsck -fy mends a copy of the image")

    def block(self, address: int, where: str) -> bytes:
        """The block at *address*, to which *where* points; Ext2Error if it is outside."""
        self.require_inside(address, 1, where)
        return self.read(address * self.block_size, self.block_size)

    def require_inside(self, address: int, count: int, where: str) -> None:
        """Ext2Error unless *count* blocks from *address* on belong to the file system."""
        if not self.superblock.s_first_data_block <= address <= self.blocks - count:
            raise self.damaged(where, f"points to block {address}, there are {self.blocks}")

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        data = os.pread(self.number, size_bytes, offset_bytes)
        if len(data) != size_bytes:
            raise self.damaged(f"byte {offset_bytes}", "the image ends before it")
        return data

    def inode(self, number: int, where: str) -> bytes:
        """The bytes of inode *number*, which *where* names; Ext2Error if there is no such inode."""
        group, index = divmod(number - 1, self.superblock.s_inodes_per_group)
        if not 1 <= number <= self.superblock.s_inodes_count or group >= len(self.tables):
            raise self.damaged(where, f"names inode {number}, there are {self.superblock.s_inodes_count}")
        offset = self.tables[group] * self.block_size + index * self.inode_size
        return self.read(offset, self.inode_size)


@contextmanager
def opened(path: Path) -> Iterator[Ext2]:
    """Open the image *path*; Ext2Error if it is no ext2 file system, or has features that are not known."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Ext2Error(f"{path}: cannot be read: {error.strerror}") from error
    try:
        yield _read(path, number)
    finally:
        os.close(number)


def _read(path: Path, number: int) -> Ext2:
    data = os.pread(number, Superblock.size_bytes(), SUPERBLOCK_BYTES)
    if len(data) < Superblock.size_bytes():
        raise Ext2Error(f"{path}: is no ext2 file system, it has only {os.fstat(number).st_size} bytes")
    superblock = Superblock.unpack(data)
    if superblock.s_magic != MAGIC:
        raise Ext2Error(f"{path}: is no ext2 file system (no magic 0x{MAGIC:04x} at byte 1080)")
    _require_readable(path, superblock)
    _require_sound(path, superblock, os.fstat(number).st_size)
    image = Ext2(path, number, superblock, ())
    groups = -(-(superblock.s_blocks_count - superblock.s_first_data_block) // superblock.s_blocks_per_group)
    size = GroupDescriptor.size_bytes()
    descriptors = image.read((superblock.s_first_data_block + 1) * image.block_size, groups * size)
    tables = tuple(one.bg_inode_table for one in GroupDescriptor.unpack_all(descriptors))
    length = -(-superblock.s_inodes_per_group * image.inode_size // image.block_size)
    for group, table in enumerate(tables):
        image.require_inside(table, length, f"group {group}: bg_inode_table")
    return Ext2(path, number, superblock, tables)


def _require_readable(path: Path, superblock: Superblock) -> None:
    if not superblock.s_rev_level:
        return
    features = superblock.s_feature_incompat
    if features & Incompatible.NEEDS_RECOVERY:
        raise Ext2Error(
            f"{path}: was not unmounted, its journal has to be replayed first",
            hint="on a copy of it: e2fsck -fy COPY",
        )
    unknown = features & ~READABLE
    if unknown:
        known = [bit.name.lower() for bit in Incompatible if bit & unknown and bit.name]
        rest = unknown & ~sum(Incompatible)
        names = ", ".join(known + ([f"0x{rest:x}"] if rest else []))
        raise Ext2Error(
            f"{path}: has features that are not read here: {names}",
            hint="copy what is in it into an image that was made with mke2fs -t ext2",
        )


def _require_sound(path: Path, superblock: Superblock, size_bytes: int) -> None:
    block_size = 1024 << min(superblock.s_log_block_size, 32)
    inode_size = superblock.s_inode_size if superblock.s_rev_level else OLD_INODE_BYTES
    problem = None
    if block_size > _MAX_BLOCK_BYTES:
        problem = f"s_log_block_size is {superblock.s_log_block_size}"
    elif superblock.s_blocks_count * block_size > size_bytes:
        needed = format_size(superblock.s_blocks_count * block_size)
        problem = f"the file system has {needed}, the image {format_size(size_bytes)}: was it cut off?"
    elif not 0 < superblock.s_blocks_per_group <= 8 * block_size:
        problem = f"s_blocks_per_group is {superblock.s_blocks_per_group}"
    elif not 0 < superblock.s_inodes_per_group <= 8 * block_size:
        problem = f"s_inodes_per_group is {superblock.s_inodes_per_group}"
    elif superblock.s_first_data_block != (1 if block_size == 1024 else 0):
        problem = f"s_first_data_block is {superblock.s_first_data_block}"
    elif not OLD_INODE_BYTES <= inode_size <= block_size or inode_size & (inode_size - 1):
        problem = f"s_inode_size is {inode_size}"
    if problem:
        raise Ext2Error(f"{path}: its superblock is damaged: {problem}")


def record_of(image: Ext2, number: int, where: str) -> tuple[InodeRecord, bytes]:
    """An inode's record, and all its bytes."""
    data = image.inode(number, where)
    return InodeRecord.unpack(data), data
