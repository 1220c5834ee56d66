"""GFS1's answers to what differs between the generations."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ssiuml.formats.gfs.generation import DinodeFacts
from ssiuml.formats.gfs.shape import Shape
from ssiuml.formats.gfs.space import Group
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
ATTRIBUTE_KINDS: Final = MappingProxyType({"user": 1, "system": 2, "security": 3})
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


class Gfs1:
    """A ssiuml.formats.gfs.generation.Generation for blocks of *block_size* bytes.

    *groups*, ascending, give inodes the hints where they lie; *root* has none, as with gfs_mkfs.
    """

    name: Final = "GFS1"
    dirent_types: Final[Mapping[Kind, int]] = FILE_TYPES
    attribute_kinds: Final[Mapping[str, int]] = ATTRIBUTE_KINDS
    all_metadata_marked: Final = True
    chains_leaves: Final = False  # gfs_fsck does not follow chains
    leaves_name_their_owner: Final = False

    def __init__(self, block_size: int, groups: Sequence[Group], root: int) -> None:
        self.shape = Shape(block_size, IndirectHeader.size_bytes())
        self._groups = groups
        self._addresses = [group.address for group in groups]
        self._root = root

    def put_dinode(self, buffer: bytearray, offset: int, facts: DinodeFacts) -> None:
        """Write the 232 bytes of a dinode; times lose their fractions of seconds."""
        meta, address = facts.meta, facts.address
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
            facts.links,
            facts.size_bytes,
            facts.blocks,
            seconds,
            seconds,
            seconds,
            *facts.device,
            rgrp,
            rgrp,
            goal,
            goal,
            facts.flags,
            facts.payload,
            FILE_TYPES[facts.kind],
            facts.height,
            facts.depth,
            facts.entries,
            facts.eattr,
        )
