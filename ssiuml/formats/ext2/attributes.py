"""Extended attributes of inodes: those in the inode itself, and those in a block that inodes may share."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ssiuml.formats.ext2.filesystem import Ext2Error, Filesystem
from ssiuml.formats.ext2.inodes import Inode
from ssiuml.formats.ext2.structures import XATTR_MAGIC, XattrEntry, XattrHeader

_MAGIC: Final = XATTR_MAGIC.to_bytes(4, "little")
_ENTRY_BYTES: Final = XattrEntry.size_bytes()
_HEADER_BYTES: Final = XattrHeader.size_bytes()
_END: Final = bytes(4)  # behind the last entry
_SYSTEM: Final = 7
_ACLS: Final = {2: "system.posix_acl_access", 3: "system.posix_acl_default"}
# linux/fs/ext4/xattr.h: EXT4_XATTR_INDEX_*.
_PREFIXES: Final = {1: "user.", 4: "trusted.", 6: "security.", _SYSTEM: "system.", 8: "system.richacl"}
_INLINE: Final = "system.data"  # not visible as an attribute: inline contents for which i_block has no room

# An ACL on the disk (linux/fs/ext4/acl.h) and as an attribute (linux/posix_acl_xattr.h).
_ACL_VERSION: Final = 1
_ACL_XATTR_VERSION: Final = 2
_NAMED_TAGS: Final = (0x02, 0x08)  # ACL_USER and ACL_GROUP: only their entries have an id
_NO_ID: Final = 0xFFFFFFFF  # ACL_UNDEFINED_ID


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of an inode by name, and the part of its inline contents that is stored like one."""

    xattrs: dict[str, bytes]
    inline: bytes


@dataclass(slots=True)
class AttributeReader:
    """Reads attributes. It remembers blocks of attributes, so that shared ones are read and stored once."""

    filesystem: Filesystem
    _blocks: dict[int, dict[str, bytes]] = field(default_factory=dict)

    def read(self, inode: Inode) -> Attributes:
        """Return the attributes of *inode*. Raise Ext2Error at the first defect."""
        inside: dict[str, bytes] = {}
        if inode.attributes.startswith(_MAGIC):
            inside = dict(self._records(inode.attributes[len(_MAGIC) :], 0, inode.where))
        inline = inside.pop(_INLINE, b"")
        if not inode.attribute_block:
            return Attributes(inside, inline)
        shared = self._block(inode)
        for name in inside:
            if name in shared:
                raise self.filesystem.damaged(inode.where, "attribute", f"{name!r} is there twice")
        return Attributes({**shared, **inside} if inside else shared, inline)

    def _block(self, inode: Inode) -> dict[str, bytes]:
        address = inode.attribute_block
        known = self._blocks.get(address)
        if known is not None:
            return known
        self.filesystem.claim(address, 1, inode.where, "i_file_acl")
        data = self.filesystem.block(address, inode.where, "i_file_acl")
        header, where = XattrHeader.unpack(data), f"block {address} of inode {inode.number}"
        if header.h_magic != XATTR_MAGIC or header.h_blocks != 1:
            problem = (
                f"magic 0x{header.h_magic:08x}, h_blocks {header.h_blocks} instead of 0x{XATTR_MAGIC:08x}, 1"
            )
            raise self.filesystem.damaged(where, "attribute header", problem)
        found = self._blocks[address] = dict(self._records(data, _HEADER_BYTES, where))
        if _INLINE in found:
            raise self.filesystem.damaged(where, "attribute", f"{_INLINE!r} is not in its inode")
        return found

    def _records(self, data: bytes, start: int, where: str) -> Iterator[tuple[str, bytes]]:
        """Yield the attributes whose entries begin at byte *start* of *data*; their values follow in it."""
        offset, names = start, set()
        values: list[tuple[int, int]] = []
        while data[offset : offset + len(_END)] != _END:
            if offset + _ENTRY_BYTES > len(data):
                raise self._damaged(where, f"the entries do not end before byte {offset}")
            entry = XattrEntry.unpack(data, offset)
            name_end = offset + _ENTRY_BYTES + entry.e_name_len
            name = self._name(entry, data[offset + _ENTRY_BYTES : name_end], where)
            if name in names:
                raise self._damaged(where, f"{name!r} is there twice")
            names.add(name)
            if entry.e_value_inum:
                raise self._damaged(
                    where, f"e_value_inum {entry.e_value_inum} of {name!r} without the feature ea_inode"
                )
            first, end = entry.e_value_offs, entry.e_value_offs + entry.e_value_size
            if entry.e_value_size:
                if end > len(data):
                    raise self._damaged(
                        where,
                        f"{name!r} has {entry.e_value_size} bytes at byte {first}, there are {len(data)}",
                    )
                values.append((first, end))
            offset = name_end + 3 & ~3
            value = data[first:end]
            yield name, self._acl(value, name, where) if entry.e_name_index in _ACLS else value
        # Overlapping values would let a small image fill the memory.
        values.sort()
        ends = [offset + len(_END), *[end for _, end in values]]
        for (first, _), before in zip(values, ends, strict=False):
            if first < before:
                raise self._damaged(
                    where, f"the value at byte {first} begins before byte {before}, the end of others"
                )

    def _name(self, entry: XattrEntry, name: bytes, where: str) -> str:
        index = entry.e_name_index
        if index in _ACLS and not name:
            return _ACLS[index]
        prefix = _PREFIXES.get(index)
        if prefix is None or bool(name) == (index == 8) or len(name) < entry.e_name_len or b"\0" in name:
            raise self._damaged(where, f"e_name_index {index} with the name {name!r} has no meaning")
        return prefix + name.decode("utf-8", "surrogateescape")

    def _acl(self, value: bytes, name: str, where: str) -> bytes:
        """Convert an ACL from its form on the disk to its form as an attribute."""
        try:
            (version,) = struct.unpack_from("<I", value)
            parts, offset = [struct.pack("<I", _ACL_XATTR_VERSION)], 4
            while offset < len(value):
                tag, permissions = struct.unpack_from("<HH", value, offset)
                number, offset = _NO_ID, offset + 4
                if tag in _NAMED_TAGS:
                    (number,) = struct.unpack_from("<I", value, offset)
                    offset += 4
                parts.append(struct.pack("<HHI", tag, permissions, number))
        except struct.error as error:
            raise self._damaged(where, f"{name!r} ends within an entry") from error
        if version != _ACL_VERSION:
            raise self._damaged(where, f"{name!r} has version {version} instead of {_ACL_VERSION}")
        return b"".join(parts)

    def _damaged(self, where: str, problem: str) -> Ext2Error:
        return self.filesystem.damaged(where, "attribute", problem)
