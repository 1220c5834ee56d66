"""How GFS2 stores inodes: type numbers, attribute types, and the dinode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ssiuml.formats.gfs.inode_format import DinodeFields
from ssiuml.formats.gfs.pointer_tree import BlockLayout
from ssiuml.formats.gfs.structures import MAGIC, MetaType, meta_header
from ssiuml.formats.gfs2.structures import FORMAT_1802, Dinode
from ssiuml.formats.ondisk import fast_packer
from ssiuml.tree.tree import Kind

# de_type: the type bits of st_mode (linux/gfs2_ondisk.h, IF2DT).
DIRENT_TYPES: Final = {
    Kind.FIFO: 1,
    Kind.CHARACTER: 2,
    Kind.DIRECTORY: 4,
    Kind.BLOCK: 6,
    Kind.FILE: 8,
    Kind.SYMLINK: 10,
    Kind.SOCKET: 12,
}
_NS: Final = 1_000_000_000
_MODE_TYPE: Final = {kind: number << 12 for kind, number in DIRENT_TYPES.items()}
_FORMAT: Final = meta_header(MetaType.DI).mh_format
_pack_dinode = fast_packer(
    Dinode,
    (
        "di_header.mh_magic",
        "di_header.mh_type",
        "di_header.mh_format",
        "di_num.no_formal_ino",
        "di_num.no_addr",
        *(f"di_{name}" for name in ("mode", "uid", "gid", "nlink", "size", "blocks")),
        *(f"di_{name}" for name in ("atime", "mtime", "ctime", "major", "minor", "goal_meta", "goal_data")),
        *(f"di_{name}" for name in ("flags", "payload_format", "height", "depth", "entries", "eattr")),
        *(f"di_{name}" for name in ("atime_nsec", "mtime_nsec", "ctime_nsec")),
    ),
).pack_into


@dataclass(frozen=True, slots=True)
class Gfs2InodeFormat:
    """The ssiuml.formats.gfs.inode_format.InodeFormat of GFS2; format 1802 has trusted.* attributes."""

    block_layout: BlockLayout
    fs_format: int = FORMAT_1802
    name: str = "GFS2"
    dirent_types: Mapping[Kind, int] = field(default_factory=lambda: DIRENT_TYPES)
    chains_leaves: bool = True
    leaves_name_directory: bool = True

    @property
    def attribute_types(self) -> Mapping[str, int]:
        types = {"user": 1, "system": 2, "security": 3}
        return types | {"trusted": 4} if self.fs_format >= FORMAT_1802 else types

    def put_dinode(self, buffer: bytearray, offset: int, fields: DinodeFields) -> None:
        """Write the 232 bytes of a dinode; the times of access and change are that of modification."""
        meta = fields.meta
        seconds, nanoseconds = divmod(meta.mtime_ns, _NS)
        major, minor = fields.device
        address = fields.address
        _pack_dinode(
            buffer,
            offset,
            MAGIC,
            MetaType.DI,
            _FORMAT,
            fields.formal_ino,
            address,
            meta.mode | _MODE_TYPE[fields.kind],
            meta.uid,
            meta.gid,
            fields.links,
            fields.size_bytes,
            fields.blocks,
            seconds,
            seconds,
            seconds,
            major,
            minor,
            fields.goal_meta or address,
            fields.goal_data or address,
            fields.flags,
            fields.payload_format,
            fields.height,
            fields.depth,
            fields.entries,
            fields.eattr,
            nanoseconds,
            nanoseconds,
            nanoseconds,
        )
