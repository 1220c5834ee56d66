"""GFS2's answers to what GFS1 does differently."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ssiuml.formats.gfs.generation import DinodeFacts
from ssiuml.formats.gfs.shape import Shape
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
class Gfs2:
    """GFS2 with a block size and a format (1801, or 1802 with trusted attributes)."""

    shape: Shape
    fs_format: int = FORMAT_1802
    name: str = "GFS2"
    dirent_types: Mapping[Kind, int] = field(default_factory=lambda: DIRENT_TYPES)
    all_metadata_marked: bool = False
    chains_leaves: bool = True
    leaves_name_their_owner: bool = True

    @property
    def attribute_kinds(self) -> Mapping[str, int]:
        kinds = {"user": 1, "system": 2, "security": 3}
        return kinds | {"trusted": 4} if self.fs_format >= FORMAT_1802 else kinds

    def put_dinode(self, buffer: bytearray, offset: int, facts: DinodeFacts) -> None:
        """Write a dinode; access and change times are the modification time, the goals the inode itself."""
        meta = facts.meta
        seconds, nanoseconds = divmod(meta.mtime_ns, _NS)
        major, minor = facts.device
        address = facts.address
        _pack_dinode(
            buffer,
            offset,
            MAGIC,
            MetaType.DI,
            _FORMAT,
            facts.formal,
            address,
            meta.mode | _MODE_TYPE[facts.kind],
            meta.uid,
            meta.gid,
            facts.links,
            facts.size_bytes,
            facts.blocks,
            seconds,
            seconds,
            seconds,
            major,
            minor,
            facts.goal_meta or address,
            facts.goal_data or address,
            facts.flags,
            facts.payload,
            facts.height,
            facts.depth,
            facts.entries,
            facts.eattr,
            nanoseconds,
            nanoseconds,
            nanoseconds,
        )
