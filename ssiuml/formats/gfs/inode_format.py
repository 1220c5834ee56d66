"""The differences between inodes of GFS1 and inodes of GFS2, as the writer sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ssiuml.formats.gfs.pointer_tree import BlockLayout
from ssiuml.tree.tree import Kind, Meta


@dataclass(slots=True)
class DinodeFields:
    """Dinode fields that GFS1 and GFS2 share.

    *formal_ino* and *address* are the inode's two numbers. *flags* and *payload_format* hold the values of
    di_flags and di_payload_format. The goals are blocks near which the kernel looks for free ones; 0 stands
    for the dinode's own block.
    """

    kind: Kind
    meta: Meta
    device: tuple[int, int]
    formal_ino: int
    address: int
    links: int
    size_bytes: int
    blocks: int
    flags: int
    payload_format: int
    height: int = 0
    depth: int = 0
    entries: int = 0
    eattr: int = 0
    goal_meta: int = 0
    goal_data: int = 0


class InodeFormat(Protocol):
    """How GFS1 or GFS2 stores inodes."""

    @property
    def name(self) -> str:
        """GFS1 or GFS2, for messages."""
        ...

    @property
    def block_layout(self) -> BlockLayout: ...

    @property
    def dirent_types(self) -> Mapping[Kind, int]:
        """de_type of each kind of inode."""
        ...

    @property
    def attribute_types(self) -> Mapping[str, int]:
        """ea_type of each namespace, the part of an attribute's name before the first dot."""
        ...

    @property
    def chains_leaves(self) -> bool:
        """Whether a directory's leaf may continue in further blocks (lf_next)."""
        ...

    @property
    def leaves_name_directory(self) -> bool:
        """Whether a leaf holds its directory's address (lf_inode, GFS2 only)."""
        ...

    def put_dinode(self, buffer: bytearray, offset: int, fields: DinodeFields) -> None:
        """Write the 232 bytes of a dinode into *buffer* at *offset*."""
        ...
