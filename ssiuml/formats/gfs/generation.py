"""What GFS1 and GFS2 do differently, as far as writing inodes goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ssiuml.formats.gfs.shape import Shape
from ssiuml.tree.tree import Kind, Meta


@dataclass(slots=True)
class DinodeFacts:
    """Everything that a dinode says, in the terms of no generation.

    *flags* and *payload* are as in the structure. The goals are blocks near which the kernel looks for more,
    0 where the inode itself will do.
    """

    kind: Kind
    meta: Meta
    device: tuple[int, int]
    formal: int
    address: int
    links: int
    size_bytes: int
    blocks: int
    flags: int
    payload: int
    height: int = 0
    depth: int = 0
    entries: int = 0
    eattr: int = 0
    goal_meta: int = 0
    goal_data: int = 0


class Generation(Protocol):
    """Answers in which GFS1 and GFS2 differ."""

    @property
    def name(self) -> str:
        """GFS1 or GFS2, for messages."""
        ...

    @property
    def shape(self) -> Shape: ...

    @property
    def dirent_types(self) -> Mapping[Kind, int]:
        """de_type of each kind of inode."""
        ...

    @property
    def attribute_kinds(self) -> Mapping[str, int]:
        """ea_type of what stands before the first dot of an attribute's name."""
        ...

    @property
    def all_metadata_marked(self) -> bool:
        """Whether all metadata have the state DINODE in bitmaps (GFS1), or dinodes alone (GFS2)."""
        ...

    @property
    def chains_leaves(self) -> bool:
        """Whether leaves of directories may be chained."""
        ...

    @property
    def leaves_name_their_owner(self) -> bool:
        """Whether a leaf says which directory it belongs to (GFS2)."""
        ...

    def put_dinode(self, buffer: bytearray, offset: int, facts: DinodeFacts) -> None:
        """Write the 232 bytes of a dinode."""
        ...
