"""Extended attributes: in a block of their own (i_file_acl), and behind inodes that are large enough."""

from collections.abc import Iterator
from typing import Final

from ssiuml.ext2.filesystem import Ext2
from ssiuml.ext2.structures import OLD_INODE_BYTES, XATTR_MAGIC, InodeTail, XattrEntry
from ssiuml.ondisk import FormatError

_PREFIXES: Final = {
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    6: "security.",
    7: "system.",
}
_BLOCK_HEADER_BYTES: Final = 32
_ACLS: Final = (2, 3)


def read_xattrs(image: Ext2, inode: bytes, block: int, where: str) -> dict[str, bytes]:
    """The attributes of an inode with these bytes, whose i_file_acl is *block*; Ext2Error if damaged."""
    found: dict[str, bytes] = {}
    try:
        if len(inode) > OLD_INODE_BYTES:
            extra = InodeTail.unpack(inode, OLD_INODE_BYTES).i_extra_isize
            start = OLD_INODE_BYTES + extra
            if start % 4 == 0 and inode[start : start + 4] == XATTR_MAGIC.to_bytes(4, "little"):
                found.update(_entries(inode[start + 4 :], 0))
        if block:
            data = image.block(block, f"{where}: i_file_acl")
            if data[:4] != XATTR_MAGIC.to_bytes(4, "little"):
                raise FormatError(f"block {block} holds no attributes")
            found.update(_entries(data, _BLOCK_HEADER_BYTES))
    except FormatError as error:
        raise image.damaged(f"{where}: extended attributes", str(error)) from error
    return found


def _entries(data: bytes, start: int) -> Iterator[tuple[str, bytes]]:
    """The attributes whose entries begin at *start* of *data*; values lie at offsets in *data*."""
    while data[start : start + 4] != bytes(4):
        entry = XattrEntry.unpack(data, start)
        start += XattrEntry.size_bytes()
        end = entry.e_value_offs + entry.e_value_size
        if start + entry.e_name_len > len(data) or end > len(data) or entry.e_value_inum:
            raise FormatError(f"an entry before byte {start} leads out of them")
        name = data[start : start + entry.e_name_len].decode("utf-8", "surrogateescape")
        start += entry.e_name_len + 3 & ~3
        value = data[entry.e_value_offs : end]
        if entry.e_name_index in _ACLS:
            yield _PREFIXES[entry.e_name_index], acl_of(value)
        elif entry.e_name_index in _PREFIXES:
            yield _PREFIXES[entry.e_name_index] + name, value
        else:
            raise FormatError(f"an entry has the name index {entry.e_name_index}, which is unknown")


def acl_of(value: bytes) -> bytes:
    """An ACL as the kernel hands it out, of the shorter form on the disk (ext4_acl.h: version 1 to 2)."""
    if len(value) < 4 or int.from_bytes(value[:4], "little") != 1:
        raise FormatError("an access control list has an unknown version")
    made, at = bytearray((2).to_bytes(4, "little")), 4
    while at < len(value):
        tag = int.from_bytes(value[at : at + 2], "little")
        long = tag in (0x02, 0x08)  # ACL_USER and ACL_GROUP have an id
        made += value[at : at + 4]
        made += value[at + 4 : at + 8] if long else b"\xff\xff\xff\xff"
        at += 8 if long else 4
    if len(made) % 8 != 4:
        raise FormatError("an access control list ends in the middle")
    return bytes(made)
