"""The files in which GFS2 keeps its own state: journals, resource index, counters, quotas.

They lie in a tree of their own below the master directory, which only the superblock points to:
``jindex/journalN``, ``per_node/{inum_range,statfs_change,quota_change}N``, ``inum``, ``statfs``, ``rindex``
and ``quota``. Source: measured with images that mkfs.gfs2 3.5.0 made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ssiuml.formats.gfs.contents import Pieces, Sources
from ssiuml.formats.gfs.generation import Generation
from ssiuml.formats.gfs.inodes import Inode, plan
from ssiuml.formats.gfs.space import Group, Space, resource_index
from ssiuml.formats.gfs.structures import Flag, MetaType, Payload, Quota, meta_header
from ssiuml.formats.gfs2.geometry import QUOTA_CHANGE_BYTES, Geometry
from ssiuml.formats.gfs2.journal import Journal
from ssiuml.formats.gfs2.structures import InumRange, StatfsChange
from ssiuml.tree.tree import Content, Literal, Meta, directory, file

_NUMBER_BYTES = 8  # the inum file: the next formal inode number


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """The system's inodes. *others* are in the order in which they are given their places."""

    journals: Sequence[Inode]
    master: Inode
    inum: Inode
    statfs: Inode
    others: Sequence[Inode]

    def all(self) -> Iterable[Inode]:
        return chain(self.journals, self.others)

    @property
    def blocks(self) -> int:
        """Blocks that they need besides the journals, which have resource groups of their own."""
        return sum(inode.blocks for inode in self.others)


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be chosen about the system's files besides the geometry."""

    time_ns: int = 0
    full_journals: bool = False


def plan_system(
    geometry: Geometry, generation: Generation, choices: Choices, usage: Mapping[int, tuple[int, int]]
) -> SystemFiles:
    """Make and plan the system's inodes; *usage*: see quotas. Counters are set later, by set_counters."""
    builder = _Builder(choices.time_ns)
    master = builder.directory(None, b"", 0o755)
    jindex = builder.directory(master, b"jindex", 0o700)
    per_node = builder.directory(master, b"per_node", 0o700)
    journal = Journal(geometry.journal_blocks, geometry.block_size, choices.full_journals)
    change = Literal(quota_change(geometry.block_size))
    journals = [
        builder.file(jindex, b"journal%d" % number, journal, Flag.SYSTEM)
        for number in range(geometry.journals)
    ]
    others = [master, jindex, per_node]
    both = Flag.SYSTEM | Flag.JDATA
    for number in range(geometry.journals):
        ranges, changes = Literal(InumRange().pack()), Literal(StatfsChange().pack())
        others.append(builder.file(per_node, b"inum_range%d" % number, ranges, both))
        others.append(builder.file(per_node, b"statfs_change%d" % number, changes, both))
        others.append(builder.file(per_node, b"quota_change%d" % number, change, Flag.SYSTEM))
    inum = builder.file(master, b"inum", Literal(bytes(_NUMBER_BYTES)), both)
    statfs = builder.file(master, b"statfs", Literal(StatfsChange().pack()), both)
    index = Literal(resource_index(geometry.groups()))
    rindex = builder.file(master, b"rindex", index, both, Payload.RESOURCE_INDEX)
    quota = builder.file(master, b"quota", quotas(usage), both, Payload.QUOTAS)
    others += [inum, statfs, rindex, quota]
    with Sources() as sources:
        for inode in chain(journals, others):
            plan(inode, generation, sources)
    return SystemFiles(journals, master, inum, statfs, others)


class _Builder:
    """Makes inodes in the order in which mkfs.gfs2 enters them into their directories."""

    def __init__(self, time_ns: int) -> None:
        self._time_ns = time_ns

    def directory(self, parent: Inode | None, name: bytes, mode: int) -> Inode:
        inode = Inode(directory(Meta(mode=mode, mtime_ns=self._time_ns)), parent, name, Flag.SYSTEM)
        inode.names, inode.targets, inode.links = [b".", b".."], [inode, parent or inode], 2
        if parent is not None:
            self._enter(parent, inode)
            parent.links += 1
        return inode

    def file(self, parent: Inode, name: bytes, content: Content, flags: int, payload: int = 0) -> Inode:
        meta = Meta(mode=0o600, mtime_ns=self._time_ns)
        inode = Inode(file(content, meta), parent, name, flags, payload)
        self._enter(parent, inode)
        return inode

    @staticmethod
    def _enter(parent: Inode, inode: Inode) -> None:
        parent.names = [*parent.names, inode.name]
        parent.targets = [*parent.targets, inode]


def place_journals(files: SystemFiles, groups: Sequence[Group]) -> None:
    """Give each journal its place at the beginning of its own resource group."""
    for inode, group in zip(files.journals, groups, strict=False):
        inode.runs = Space([group]).allocate(1, inode.blocks - 1)
        # The kernel finds a journal's blocks by its pointers; mkfs.gfs2 leaves these goals.
        inode.goal_data = inode.address + inode.blocks - 1
        inode.goal_meta = inode.goal_data - inode.data_blocks


def set_counters(files: SystemFiles, groups: Sequence[Group], next_formal: int) -> None:
    """Set the contents of inum and statfs; all inodes have their places and numbers."""
    files.inum.node.content = Literal(next_formal.to_bytes(_NUMBER_BYTES, "big"))
    counters = StatfsChange(
        sc_total=sum(group.blocks for group in groups),
        sc_free=sum(group.free for group in groups),
        sc_dinodes=sum(group.dinodes for group in groups),
    )
    files.statfs.node.content = Literal(counters.pack())


def quota_change(block_size: int) -> bytes:
    """The contents of a node's quota_change file: blocks that hold nothing but a header."""
    block = meta_header(MetaType.QC).pack().ljust(block_size, b"\0")
    return block * (QUOTA_CHANGE_BYTES // block_size)


def usage_of(inodes: Iterable[Inode]) -> dict[int, tuple[int, int]]:
    """Blocks by owner: for each number, those of the user and those of the group with that number."""
    usage: dict[int, tuple[int, int]] = {}
    for inode in inodes:
        meta, blocks = inode.node.meta, inode.blocks
        user, group = usage.get(meta.uid, (0, 0))
        usage[meta.uid] = (user + blocks, group)
        user, group = usage.get(meta.gid, (0, 0))
        usage[meta.gid] = (user, group + blocks)
    return usage


def quotas(usage: Mapping[int, tuple[int, int]]) -> Pieces:
    """The contents of the quota file: two records for each number, its user's and its group's.

    They lie at the place that the number gives, so that the file has holes.
    """
    pair_bytes = 2 * Quota.size_bytes()
    # mkfs.gfs2 enters user and group 0 in any case.
    pieces = [
        (pair_bytes * number, b"".join(Quota(qu_value=value).pack() for value in values))
        for number, values in sorted({0: (0, 0), **usage}.items())
    ]
    return Pieces(pieces[-1][0] + pair_bytes, pieces)
