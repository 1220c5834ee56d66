"""The file system in an image: its superblock, features and block groups, checked, and its blocks.

Source: linux/fs/ext4/ext4.h, EXT4_FEATURE_*. The names of features are those of ``dumpe2fs -h``. A program
that only reads may ignore unknown features among the compatible and the read-only compatible ones.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.ext2.structures import (
    MAGIC,
    OLD_FIRST_INODE,
    OLD_INODE_BYTES,
    SUPERBLOCK_BYTE,
    GroupDescriptor,
    GroupDescriptorHigh,
    Superblock,
)
from ssiuml.host.devices import Device
from ssiuml.units import format_size

# Features 'incompat': they change how files are found.
_FILETYPE: Final = 0x0002
_RECOVER: Final = 0x0004
_BITS_64: Final = 0x0080
_READ: Final = {
    _FILETYPE: "filetype",
    0x0040: "extent",
    _BITS_64: "64bit",
    0x0100: "mmp",
    0x0200: "flex_bg",
    0x2000: "metadata_csum_seed",
    0x8000: "inline_data",
}
_REFUSED: Final = {
    0x0001: "compression",
    0x0008: "journal_dev",
    0x0010: "meta_bg",
    0x0400: "ea_inode",
    0x1000: "dirdata",
    0x4000: "large_dir",
    0x10000: "encrypt",
    0x20000: "casefold",
}
# Features 'ro_compat'. With shared_blocks a block may belong to several files, which is damage without it.
_HUGE_FILE: Final = 0x0008
_REFUSED_RO: Final = {0x0200: "bigalloc", 0x4000: "shared_blocks"}

_LOG_BLOCK_SIZE_MAX: Final = 6  # 64 KiB
_REVISION_MAX: Final = 1
_GROUP_BLOCKS_MIN: Final = 256  # as in mke2fs; bounds the number of groups
_BLOCKS_MAX: Final = 1 << 28  # a byte of memory for each; 256 GiB of 1 KiB blocks, far more than any base has
_TABLE_PIECE_BYTES: Final = 64 << 10
_TABLE_PIECES_HELD: Final = 64
_GROUP_BYTES: Final = GroupDescriptor.size_bytes()
_WIDE_GROUP_BYTES: Final = _GROUP_BYTES + GroupDescriptorHigh.size_bytes()


class Ext2Error(SsiumlError):
    """An image has no ext2 file system, or one that is damaged or has an unknown feature."""


@dataclass(slots=True)
class Filesystem:
    """A file system in an open image. *inode_tables* has the first block of each group's inode table."""

    image: Path
    device: Device
    superblock: Superblock
    block_size: int
    blocks: int
    inode_bytes: int
    first_inode: int
    inode_tables: list[int] = field(default_factory=list)
    _claimed: bytearray = field(default_factory=bytearray)  # a byte for each block: 1 if it is claimed
    _tables: "OrderedDict[int, bytes]" = field(default_factory=OrderedDict)

    @property
    def has_file_types(self) -> bool:
        """Whether directory entries hold the type of their inode."""
        return bool(_features(self.superblock) & _FILETYPE)

    @property
    def has_64_bits(self) -> bool:
        """Whether addresses of blocks have more than 32 bits."""
        return bool(_features(self.superblock) & _BITS_64)

    @property
    def has_huge_files(self) -> bool:
        """Whether sizes in sectors have more than 32 bits."""
        return bool(_read_only_features(self.superblock) & _HUGE_FILE)

    def damaged(self, where: str, structure: str, problem: str) -> Ext2Error:
        """Return the error for *structure* in *where* ("block 7", "inode 12"), which breaks the format."""
        return Ext2Error(
            f"{self.image}: {where}: {structure}: {problem}",
            hint=f"repair a copy and use that: cp {self.image} COPY && e2fsck -fy COPY",
        )

    def claim(self, first: int, count: int, where: str, structure: str) -> None:
        """Record that *count* blocks from *first* on belong to *where*.

        Raise Ext2Error if one of them is outside of the file system or belongs to something else already.
        """
        end = first + count
        if not self.superblock.s_first_data_block < first < end <= self.blocks:
            raise self.damaged(
                where,
                structure,
                f"points to block {first if count == 1 else end - 1}, outside of the file system",
            )
        other = self._claimed.find(1, first, end)
        if other >= 0:
            raise self.damaged(where, structure, f"block {other} belongs to something else already")
        self._claimed[first:end] = b"\1" * count

    def block(self, address: int, where: str, structure: str) -> bytes:
        """Return the block at *address*, to which *structure* in *where* points. Raise if it is cut off."""
        return self._read(address * self.block_size, self.block_size, where, structure)

    def inode_data(self, number: int, where: str, structure: str) -> bytes:
        """Return the bytes of an inode, to which *structure* in *where* points.

        Raise Ext2Error if the number is out of range or the image ends before the inode.
        """
        if not 1 <= number <= self.superblock.s_inodes_count:
            raise self.damaged(
                where, structure, f"inode {number} is not within 1 to {self.superblock.s_inodes_count}"
            )
        group, index = divmod(number - 1, self.superblock.s_inodes_per_group)
        start = self.inode_tables[group] * self.block_size + index * self.inode_bytes
        # Pieces and inodes are aligned, so an inode lies in one piece.
        piece, offset = divmod(start, _TABLE_PIECE_BYTES)
        data = self._tables.get(piece)
        if data is None:
            if len(self._tables) >= _TABLE_PIECES_HELD:
                self._tables.popitem(last=False)
            data = self._tables[piece] = self.device.read(piece * _TABLE_PIECE_BYTES, _TABLE_PIECE_BYTES)
        found = data[offset : offset + self.inode_bytes]
        if len(found) < self.inode_bytes:
            raise self.damaged(where, structure, f"inode {number} lies behind the end of the image")
        return found

    def _read(self, offset_bytes: int, size_bytes: int, where: str, structure: str) -> bytes:
        data = self.device.read(offset_bytes, size_bytes)
        if len(data) < size_bytes:
            raise self.damaged(where, structure, f"the image ends before byte {offset_bytes + size_bytes}")
        return data

    def load_groups(self) -> None:
        """Read where the groups have their inode tables, and claim the blocks of the file system itself."""
        superblock = self.superblock
        first = superblock.s_first_data_block
        groups = -(-(self.blocks - first) // superblock.s_blocks_per_group)
        wide = self.has_64_bits
        step = superblock.s_desc_size if wide else _GROUP_BYTES
        self._claimed = bytearray(self.blocks)
        where = "group descriptors"
        size = groups * step
        count = -(-size // self.block_size)
        # The descriptors begin in the block behind that of the superblock.
        self.claim(first + 1, count, where, "bg_inode_table")
        data = self._read((first + 1) * self.block_size, size, where, "bg_inode_table")
        table_blocks = -(-superblock.s_inodes_per_group * self.inode_bytes // self.block_size)
        for number in range(groups):
            low = GroupDescriptor.unpack(data, number * step)
            places = [low.bg_inode_table_lo, low.bg_block_bitmap_lo, low.bg_inode_bitmap_lo]
            if wide:
                high = GroupDescriptorHigh.unpack(data, number * step + _GROUP_BYTES)
                highs = (high.bg_inode_table_hi, high.bg_block_bitmap_hi, high.bg_inode_bitmap_hi)
                places = [place | more << 32 for place, more in zip(places, highs, strict=True)]
            group = f"group {number}"
            self.claim(places[0], table_blocks, group, "bg_inode_table")
            self.claim(places[1], 1, group, "bg_block_bitmap")
            self.claim(places[2], 1, group, "bg_inode_bitmap")
            self.inode_tables.append(places[0])


def read_filesystem(image: Path, device: Device) -> Filesystem:
    """Read and check superblock and block groups.

    Raise Ext2Error if the image has no ext2 file system, has a feature that cannot be read, or is damaged.
    """
    data = device.read(SUPERBLOCK_BYTE, Superblock.size_bytes())
    if len(data) < Superblock.size_bytes():
        raise Ext2Error(
            f"{image}: has {device.size_bytes} bytes, an ext2 superblock lies at byte {SUPERBLOCK_BYTE}",
            hint="get the image again if it is cut off",
        )
    superblock = Superblock.unpack(data)
    if superblock.s_magic != MAGIC:
        raise Ext2Error(
            f"{image}: has no ext2 superblock at byte {SUPERBLOCK_BYTE}: 0x{superblock.s_magic:04x} instead "
            f"of the magic 0x{MAGIC:04x}",
            hint="give the plain file system, not a whole disk with partitions or a compressed image",
        )
    _require_known_features(image, superblock)
    blocks = superblock.s_blocks_count_lo
    if _features(superblock) & _BITS_64:
        blocks |= superblock.s_blocks_count_hi << 32
    old = superblock.s_rev_level == 0
    filesystem = Filesystem(
        image,
        device,
        superblock,
        1024 << min(superblock.s_log_block_size, _LOG_BLOCK_SIZE_MAX),
        blocks,
        OLD_INODE_BYTES if old else superblock.s_inode_size,
        OLD_FIRST_INODE if old else superblock.s_first_ino,
    )
    _check(filesystem)
    filesystem.load_groups()
    return filesystem


def _features(superblock: Superblock) -> int:
    """Return the incompatible features; revision 0 has none."""
    return superblock.s_feature_incompat if superblock.s_rev_level else 0


def _read_only_features(superblock: Superblock) -> int:
    """Return the features that only writers have to know; revision 0 has none."""
    return superblock.s_feature_ro_compat if superblock.s_rev_level else 0


def _require_known_features(image: Path, superblock: Superblock) -> None:
    features = _features(superblock)
    if features & _RECOVER:
        raise Ext2Error(
            f"{image}: has the feature needs_recovery: its journal holds changes that are not in place yet",
            hint=f"replay it in a copy and use that: cp {image} COPY && e2fsck -fy COPY",
        )
    unknown = features & ~sum(_READ)
    names = [_REFUSED.get(1 << bit, f"incompat 0x{1 << bit:x}") for bit in range(32) if unknown & 1 << bit]
    names += [name for bit, name in _REFUSED_RO.items() if _read_only_features(superblock) & bit]
    if names:
        raise Ext2Error(
            f"{image}: has the feature {', '.join(names)}, with which it cannot be read (readable features: "
            f"{', '.join(_READ.values())})",
            hint="make the image without it: mke2fs -O ^FEATURE",
        )


def _check(filesystem: Filesystem) -> None:
    def require(good: bool, problem: str) -> None:
        if not good:
            raise filesystem.damaged("superblock", *problem.split(" ", 1))

    superblock, size, inode_bytes = filesystem.superblock, filesystem.block_size, filesystem.inode_bytes
    log, blocks, first = superblock.s_log_block_size, filesystem.blocks, superblock.s_first_data_block
    require(superblock.s_rev_level <= _REVISION_MAX, f"s_rev_level {superblock.s_rev_level} is more than 1")
    require(log <= _LOG_BLOCK_SIZE_MAX, f"s_log_block_size {log} is more than {_LOG_BLOCK_SIZE_MAX}")
    require(first == (size == 1024), f"s_first_data_block {first} with blocks of {size} bytes")
    require(blocks > first, f"s_blocks_count {blocks} leaves no block for files")
    have = filesystem.device.size_bytes
    if blocks * size > have:
        raise Ext2Error(
            f"{filesystem.image}: is cut off: has {have} of the {blocks * size} bytes in its superblock "
            f"(s_blocks_count {blocks}, {size} bytes each)",
            hint="get the image again",
        )
    if blocks > _BLOCKS_MAX:
        raise Ext2Error(
            f"{filesystem.image}: s_blocks_count {blocks} is too large for a base, at most {_BLOCKS_MAX} "
            f"are read ({format_size(_BLOCKS_MAX * size)} with blocks of {size} bytes)",
            hint="make it smaller: resize2fs -M",
        )
    per_group, inodes = superblock.s_blocks_per_group, superblock.s_inodes_per_group
    require(
        _GROUP_BLOCKS_MIN <= per_group <= 8 * size,
        f"s_blocks_per_group {per_group} is not within {_GROUP_BLOCKS_MIN} to {8 * size}",
    )
    require(
        inode_bytes.bit_count() == 1 and OLD_INODE_BYTES <= inode_bytes <= size,
        f"s_inode_size {inode_bytes} is no power of 2 within {OLD_INODE_BYTES} to {size}",
    )
    require(1 <= inodes <= 8 * size, f"s_inodes_per_group {inodes} is not within 1 to {8 * size}")
    groups = -(-(blocks - first) // per_group)
    require(
        superblock.s_inodes_count <= groups * inodes,
        f"s_inodes_count {superblock.s_inodes_count} is more than {groups} groups of {inodes}",
    )
    require(
        filesystem.first_inode >= OLD_FIRST_INODE,
        f"s_first_ino {filesystem.first_inode} is less than {OLD_FIRST_INODE}",
    )
    if filesystem.has_64_bits:
        require(
            superblock.s_desc_size.bit_count() == 1 and _WIDE_GROUP_BYTES <= superblock.s_desc_size <= 1024,
            f"s_desc_size {superblock.s_desc_size} is no power of 2 within {_WIDE_GROUP_BYTES} to 1024",
        )
