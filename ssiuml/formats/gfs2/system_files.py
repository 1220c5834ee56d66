"""The files in which GFS2 keeps its own state: journals, rindex, counters, quotas.

They form a tree below the master directory, to which only the superblock points:
``jindex/journalN``, ``per_node/{inum_range,statfs_change,quota_change}N``, ``inum``, ``statfs``, ``rindex``
and ``quota``. Source: measurements of images that mkfs.gfs2 3.5.0 made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ssiuml.formats.gfs.contents import HostFiles, SparseBytes
from ssiuml.formats.gfs.inode_format import InodeFormat
from ssiuml.formats.gfs.inodes import Inode, plan_inode
from ssiuml.formats.gfs.resource_groups import BlockAllocator, ResourceGroup, pack_rindex
from ssiuml.formats.gfs.structures import Flag, MetaType, PayloadFormat, Quota, meta_header
from ssiuml.formats.gfs2.geometry import QUOTA_CHANGE_BYTES, Geometry
from ssiuml.formats.gfs2.journal import Journal
from ssiuml.formats.gfs2.structures import InumRange, StatfsChange
from ssiuml.tree.tree import Content, Literal, Meta, directory, file

_NUMBER_BYTES = 8  # of the inum file, which holds the next formal inode number


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """The inodes of the system files; *others* are in the order of their addresses."""

    journals: Sequence[Inode]
    master: Inode
    inum: Inode
    statfs: Inode
    others: Sequence[Inode]

    def all(self) -> Iterable[Inode]:
        return chain(self.journals, self.others)

    @property
    def blocks(self) -> int:
        """Blocks that *others* need; journals lie in resource groups of their own."""
        return sum(inode.blocks for inode in self.others)


@dataclass(frozen=True, slots=True)
class Choices:
    """Choices about the system files besides the geometry: their time, and journals without holes.

    The names of the class and its fields enter the UUID that writer.Settings.image_uuid derives.
    """

    time_ns: int = 0
    full_journals: bool = False


def plan_system_files(
    geometry: Geometry, inode_format: InodeFormat, choices: Choices, usage: Mapping[int, tuple[int, int]]
) -> SystemFiles:
    """Make the inodes of the system files, with layouts and without addresses.

    *usage* is that of usage_of. set_counters sets the contents of inum and statfs later.
    """
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
    index = Literal(pack_rindex(geometry.groups()))
    rindex = builder.file(master, b"rindex", index, both, PayloadFormat.RESOURCE_INDEX)
    quota = builder.file(master, b"quota", quotas(usage), both, PayloadFormat.QUOTAS)
    others += [inum, statfs, rindex, quota]
    with HostFiles() as host_files:
        for inode in chain(journals, others):
            plan_inode(inode, inode_format, host_files)
    return SystemFiles(journals, master, inum, statfs, others)


class _Builder:
    """Makes inodes in the order in which mkfs.gfs2 adds them to their directories."""

    def __init__(self, time_ns: int) -> None:
        self._time_ns = time_ns

    def directory(self, parent: Inode | None, name: bytes, mode: int) -> Inode:
        inode = Inode(directory(Meta(mode=mode, mtime_ns=self._time_ns)), parent, name, Flag.SYSTEM)
        inode.names, inode.targets, inode.links = [b".", b".."], [inode, parent or inode], 2
        if parent is not None:
            self._enter(parent, inode)
            parent.links += 1
        return inode

    def file(
        self, parent: Inode, name: bytes, content: Content, flags: int, payload_format: int = 0
    ) -> Inode:
        meta = Meta(mode=0o600, mtime_ns=self._time_ns)
        inode = Inode(file(content, meta), parent, name, flags, payload_format)
        self._enter(parent, inode)
        return inode

    @staticmethod
    def _enter(parent: Inode, inode: Inode) -> None:
        parent.names = [*parent.names, inode.name]
        parent.targets = [*parent.targets, inode]


def place_journals(files: SystemFiles, groups: Sequence[ResourceGroup]) -> None:
    """Allocate each journal at the beginning of its own resource group."""
    for inode, group in zip(files.journals, groups, strict=False):
        inode.runs = BlockAllocator([group]).allocate(1, inode.blocks - 1)
        # The kernel finds a journal by its pointers and needs no goals; mkfs.gfs2 sets these.
        inode.goal_data = inode.address + inode.blocks - 1
        inode.goal_meta = inode.goal_data - inode.data_blocks


def set_counters(files: SystemFiles, groups: Sequence[ResourceGroup], next_formal_ino: int) -> None:
    """Set the contents of inum and statfs; all inodes have their addresses and formal numbers."""
    files.inum.node.content = Literal(next_formal_ino.to_bytes(_NUMBER_BYTES, "big"))
    counters = StatfsChange(
        sc_total=sum(group.blocks for group in groups),
        sc_free=sum(group.free for group in groups),
        sc_dinodes=sum(group.dinodes for group in groups),
    )
    files.statfs.node.content = Literal(counters.pack())


def quota_change(block_size: int) -> bytes:
    """Return the contents of a node's quota_change file: blocks with a header and zeros."""
    block = meta_header(MetaType.QC).pack().ljust(block_size, b"\0")
    return block * (QUOTA_CHANGE_BYTES // block_size)


def usage_of(inodes: Iterable[Inode]) -> dict[int, tuple[int, int]]:
    """Return, for each number, the blocks of the user and of the group with that number."""
    usage: dict[int, tuple[int, int]] = {}
    for inode in inodes:
        meta, blocks = inode.node.meta, inode.blocks
        user, group = usage.get(meta.uid, (0, 0))
        usage[meta.uid] = (user + blocks, group)
        user, group = usage.get(meta.gid, (0, 0))
        usage[meta.gid] = (user, group + blocks)
    return usage


def quotas(usage: Mapping[int, tuple[int, int]]) -> SparseBytes:
    """Return the contents of the quota file: two records for each number, its user's and its group's.

    Their offset is proportional to the number, so the file has holes.
    """
    pair_bytes = 2 * Quota.size_bytes()
    # mkfs.gfs2 writes user and group 0 in any case.
    pieces = [
        (pair_bytes * number, b"".join(Quota(qu_value=value).pack() for value in values))
        for number, values in sorted({0: (0, 0), **usage}.items())
    ]
    return SparseBytes(pieces[-1][0] + pair_bytes, pieces)
