"""How GFS1 stores inodes: type numbers, attribute types, and the dinode."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ssiuml.formats.gfs.inode_format import DinodeFields
from ssiuml.formats.gfs.pointer_tree import BlockLayout
from ssiuml.formats.gfs.resource_groups import ResourceGroup
from ssiuml.formats.gfs.structures import MAGIC, MetaType, meta_header
from ssiuml.formats.gfs1.structures import Dinode, FileType, IndirectHeader
from ssiuml.formats.ondisk import fast_packer
from ssiuml.tree.tree import Kind

NS: Final = 1_000_000_000
FILE_TYPES: Final = MappingProxyType(
    {
        Kind.FILE: FileType.REGULAR,
        Kind.DIRECTORY: FileType.DIRECTORY,
        Kind.SYMLINK: FileType.SYMLINK,
        Kind.BLOCK: FileType.BLOCK,
        Kind.CHARACTER: FileType.CHARACTER,
        Kind.FIFO: FileType.FIFO,
        Kind.SOCKET: FileType.SOCKET,
    }
)
ATTRIBUTE_TYPES: Final = MappingProxyType({"user": 1, "system": 2, "security": 3})
_FORMAT: Final = meta_header(MetaType.DI).mh_format
_pack_dinode = fast_packer(
    Dinode,
    (
        "di_header.mh_magic",
        "di_header.mh_type",
        "di_header.mh_format",
        "di_num.no_formal_ino",
        "di_num.no_addr",
        "di_mode",
        "di_uid",
        "di_gid",
        "di_nlink",
        "di_size",
        "di_blocks",
        "di_atime",
        "di_mtime",
        "di_ctime",
        "di_major",
        "di_minor",
        "di_rgrp",
        "di_goal_rgrp",
        "di_goal_dblk",
        "di_goal_mblk",
        "di_flags",
        "di_payload_format",
        "di_type",
        "di_height",
        "di_depth",
        "di_entries",
        "di_eattr",
    ),
).pack_into


class Gfs1InodeFormat:
    """The ssiuml.formats.gfs.inode_format.InodeFormat of GFS1 for blocks of *block_size* bytes.

    The hints of a dinode (di_rgrp and the goals) name its resource group, one of the ascending *groups*. The
    dinode at *root* has no hints, as with gfs_mkfs.
    """

    name: Final = "GFS1"
    dirent_types: Final[Mapping[Kind, int]] = FILE_TYPES
    attribute_types: Final[Mapping[str, int]] = ATTRIBUTE_TYPES
    chains_leaves: Final = False  # gfs_fsck does not follow chains
    leaves_name_directory: Final = False

    def __init__(self, block_size: int, groups: Sequence[ResourceGroup], root: int) -> None:
        self.block_layout = BlockLayout(block_size, IndirectHeader.size_bytes())
        self._groups = groups
        self._addresses = [group.address for group in groups]
        self._root = root

    def put_dinode(self, buffer: bytearray, offset: int, fields: DinodeFields) -> None:
        """Write the 232 bytes of a dinode; times are in whole seconds."""
        meta, address = fields.meta, fields.address
        seconds = meta.mtime_ns // NS
        rgrp = goal = 0
        if address != self._root:
            group = self._groups[bisect_right(self._addresses, address) - 1]
            rgrp, goal = group.address, address - group.first
        _pack_dinode(
            buffer,
            offset,
            MAGIC,
            MetaType.DI,
            _FORMAT,
            address,
            address,
            meta.mode,
            meta.uid,
            meta.gid,
            fields.links,
            fields.size_bytes,
            fields.blocks,
            seconds,
            seconds,
            seconds,
            *fields.device,
            rgrp,
            rgrp,
            goal,
            goal,
            fields.flags,
            fields.payload_format,
            FILE_TYPES[fields.kind],
            fields.height,
            fields.depth,
            fields.entries,
            fields.eattr,
        )
