"""Reads inodes with the kinds and units of a tree, and checks that their fields agree."""

import stat
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.ext2.filesystem import Filesystem
from ssiuml.formats.ext2.structures import (
    COMPRESSED_FLAG,
    EXTENTS_FLAG,
    HUGE_FILE_FLAG,
    INLINE_DATA_FLAG,
    OLD_INODE_BYTES,
    VERITY_FLAG,
    InodeExtra,
    InodeOnDisk,
)
from ssiuml.tree.tree import Kind, kind_of_mode

_NS: Final = 1_000_000_000
_EXTRA_BYTES_MIN: Final = 4  # i_extra_isize itself and i_checksum_hi
_MTIME_EXTRA_END: Final = InodeExtra.offset_of("i_mtime_extra") + 4
_EPOCH_BITS: Final = 2
_SECTOR_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode. *body* is its i_block, *attributes* the bytes behind its fields, for extended attributes."""

    number: int
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int
    sectors: int  # of 512 bytes
    flags: int
    attribute_block: int
    body: bytes
    attributes: bytes

    @property
    def where(self) -> str:
        return f"inode {self.number}"

    @property
    def has_extents(self) -> bool:
        return bool(self.flags & EXTENTS_FLAG)

    @property
    def is_inline(self) -> bool:
        """Whether its contents or directory entries lie in the inode itself."""
        return bool(self.flags & INLINE_DATA_FLAG)

    @property
    def may_have_blocks_behind_its_end(self) -> bool:
        """Whether the data of fs-verity follows the contents."""
        return bool(self.flags & VERITY_FLAG)

    def device(self) -> tuple[int, int]:
        """Return major and minor number from the first word, as Linux 2.4 has them, else from the second."""
        old, new = (int.from_bytes(self.body[start : start + 4], "little") for start in (0, 4))
        if old:
            return old >> 8 & 0xFF, old & 0xFF
        return new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00


def read_inode(filesystem: Filesystem, number: int, where: str, structure: str) -> Inode:
    """Return the inode *number*, to which *structure* in *where* leads.

    Raise Ext2Error if it is not in use or damaged.
    """
    data = filesystem.inode_data(number, where, structure)
    raw = InodeOnDisk.unpack(data)
    kind = kind_of_mode(raw.i_mode)

    def require(good: bool, name: str, problem: str) -> None:
        if not good:
            raise filesystem.damaged(f"inode {number}", name, problem)

    require(raw.i_links_count > 0, "i_links_count", f"is 0, but {structure} in {where} leads to it")
    if kind is None:
        raise filesystem.damaged(f"inode {number}", "i_mode", f"0{raw.i_mode:o} is no kind of file")
    require(not raw.i_flags & COMPRESSED_FLAG, "i_flags", f"0x{raw.i_flags:08x}: it is compressed")
    extra, fraction = 0, 0
    if len(data) > OLD_INODE_BYTES:
        extra = int.from_bytes(data[OLD_INODE_BYTES : OLD_INODE_BYTES + 2], "little")
        require(
            extra % 4 == 0 and (extra == 0 or _EXTRA_BYTES_MIN <= extra <= len(data) - OLD_INODE_BYTES),
            "i_extra_isize",
            f"{extra} does not fit an inode of {len(data)} bytes",
        )
        if extra >= _MTIME_EXTRA_END:
            fraction = InodeExtra.unpack(data, OLD_INODE_BYTES).i_mtime_extra
    # The extra field has two more bits for the seconds, and i_mtime is signed.
    seconds = raw.i_mtime + ((fraction & (1 << _EPOCH_BITS) - 1) << 32)
    nanoseconds = fraction >> _EPOCH_BITS
    require(nanoseconds < _NS, "i_mtime_extra", f"{nanoseconds} ns are a second or more")
    # In directories i_size_high is i_dir_acl.
    size = raw.i_size_lo | (raw.i_size_high << 32 if kind is Kind.FILE else 0)
    require(size < 1 << 63, "i_size", f"{size} is more than a file can have")
    # Without these features the upper halves have other meanings.
    sectors, attribute_block = raw.i_blocks_lo, raw.i_file_acl_lo
    if filesystem.has_huge_files:
        sectors |= raw.l_i_blocks_high << 32
        if raw.i_flags & HUGE_FILE_FLAG:
            sectors *= filesystem.block_size // _SECTOR_BYTES
    if filesystem.has_64_bits:
        attribute_block |= raw.l_i_file_acl_high << 32
    return Inode(
        number,
        kind,
        stat.S_IMODE(raw.i_mode),
        raw.i_uid | raw.l_i_uid_high << 16,
        raw.i_gid | raw.l_i_gid_high << 16,
        seconds * _NS + nanoseconds,
        size,
        sectors,
        raw.i_flags,
        attribute_block,
        raw.i_block,
        data[OLD_INODE_BYTES + extra :] if extra else b"",
    )


def is_fast_symlink(filesystem: Filesystem, inode: Inode) -> bool:
    """Return whether the target of a symbolic link lies in i_block: it has no block except for attributes."""
    own = filesystem.block_size // _SECTOR_BYTES if inode.attribute_block else 0
    return not (inode.has_extents or inode.is_inline) and inode.sectors == own
