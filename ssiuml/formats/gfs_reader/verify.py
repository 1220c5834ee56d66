"""Verifies a file system: checks that all its structures agree with each other."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.structures import Flag, PayloadFormat, Quota, RindexEntry, State
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.contents import BlockRole, ImageContent, read_contents, read_index, walk_blocks
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, Report
from ssiuml.formats.gfs_reader.inodes import Inode, has_headers, read_inode
from ssiuml.formats.gfs_reader.journals import check_gfs1_journal, check_gfs2_journal, read_jindex
from ssiuml.formats.gfs_reader.resource_groups import read_rindex
from ssiuml.formats.gfs_reader.tree_reader import ReadOnceVisitor, TreeReader
from ssiuml.formats.gfs_reader.usage import BlockUsage
from ssiuml.tree.tree import Kind, Tree

_MAX_QUOTA_BYTES: Final = (2 << 32) * Quota.size_bytes()


@dataclass(frozen=True, slots=True)
class Verified:
    """Counts of a file system; those of blocks are by its bitmaps."""

    inodes: int  # of the tree of files, without system files
    blocks: int
    free_blocks: int
    journals: int


class _Checker:
    """The visitor that checks each inode and claims its blocks."""

    def __init__(self, filesystem: Filesystem, usage: BlockUsage, report: Report) -> None:
        self._filesystem = filesystem
        self._usage = usage
        self._report = report
        self.payload_formats: dict[int, int] = {}  # required di_payload_format of system files, by address

    def visit(self, inode: Inode) -> None:
        self._usage.claim_dinode(inode.address, inode.blocks)
        data = self._usage.metadata_state if has_headers(self._filesystem, inode) else State.USED
        last = None
        try:
            for role, address, index in walk_blocks(self._filesystem, inode):
                state = data if role is BlockRole.DATA else self._usage.metadata_state
                self._usage.claim(address, state, inode.address, role.value)
                last = (address, index) if role is BlockRole.DATA else last
            self._check_slack(inode, last)
        except Damaged as damage:
            if inode.kind is Kind.DIRECTORY:
                raise
            self._report(damage)
        self._check_payload(inode)

    def claim(self, address: int, owner: int, structure: str) -> None:
        self._usage.claim(address, self._usage.metadata_state, owner, structure)

    def _check_payload(self, inode: Inode) -> None:
        wanted = self.payload_formats.get(inode.address, PayloadFormat.NONE)
        if inode.kind is Kind.DIRECTORY and not inode.is_hashed:
            wanted = PayloadFormat.DIRENTS
        if inode.payload_format != wanted:
            problem = f"di_payload_format {inode.payload_format}, should be {int(wanted)}"
            self._report(Damaged(inode.address, "dinode", problem))
        if inode.kind is Kind.DIRECTORY and not inode.flags & Flag.JDATA:
            self._report(Damaged(inode.address, "dinode", "di_flags of a directory without JDATA"))

    def _check_slack(self, inode: Inode, last: tuple[int, int] | None) -> None:
        """Report bytes that are not zero behind the end of the contents in the last block."""
        size = inode.size_bytes
        if inode.kind in (Kind.FILE, Kind.SYMLINK) and inode.height == 0:
            if any(inode.body[size:]):
                self._report(Damaged(inode.address, "dinode", f"bytes behind its {size} bytes are not zero"))
        elif last is not None and inode.kind is Kind.FILE:
            headers = has_headers(self._filesystem, inode)
            unit = self._filesystem.block_layout.data_block_bytes(headers)
            address, index = last
            used = size - index * unit
            data = self._filesystem.block(address, inode.address, "pointers")
            if 0 < used < unit and any(data[len(data) - unit + used :]):
                problem = f"bytes behind the end of inode {inode.address} are not zero"
                self._report(Damaged(address, "data block", problem))


def verify(filesystem: Filesystem, report: Report) -> tuple[Verified, Tree]:
    """Check *filesystem* and call *report* with each error. Return its counts and the tree of its files.

    The checks cover bitmaps, counters, link counts, formal inode numbers, directories, attributes, payload
    formats, bytes behind the end of contents, journals and system files. Memory grows with the number of
    inodes, and by a byte for each block of the resource groups that are in use.
    """
    superblock = filesystem.superblock
    multihost = superblock.sb_multihost_format
    if isinstance(superblock, gfs1.Superblock):
        _check_multihost(filesystem, multihost, (gfs1.OLD_MULTIHOST_FORMAT, gfs1.MULTIHOST_FORMAT), report)
        return _verify_gfs1(filesystem, superblock, report)
    _check_multihost(filesystem, multihost, (gfs2.MULTIHOST_FORMAT,), report)
    return _verify_gfs2(filesystem, superblock, report)


def _check_multihost(filesystem: Filesystem, seen: int, known: Sequence[int], report: Report) -> None:
    if seen not in known:
        problem = f"sb_multihost_format {seen} is not {' or '.join(map(str, known))}"
        report(Damaged(filesystem.superblock_block, "superblock", problem))


def _verify_gfs1(
    filesystem: Filesystem, superblock: gfs1.Superblock, report: Report
) -> tuple[Verified, Tree]:
    inums = {
        "sb_jindex_di": (superblock.sb_jindex_di, PayloadFormat.JOURNAL_INDEX),
        "sb_rindex_di": (superblock.sb_rindex_di, PayloadFormat.RESOURCE_INDEX),
        "sb_quota_di": (superblock.sb_quota_di, PayloadFormat.QUOTAS),
        "sb_license_di": (superblock.sb_license_di, PayloadFormat.QUOTAS),
    }
    for name, inum in [
        *((name, inum) for name, (inum, _) in inums.items()),
        ("sb_root_di", superblock.sb_root_di),
    ]:
        if inum.no_formal_ino != inum.no_addr:
            problem = (
                f"no_formal_ino {inum.no_formal_ino} of {name} is not equal to its no_addr, as GFS1 requires"
            )
            report(Damaged(filesystem.superblock_block, "superblock", problem))
    groups = _read_groups(filesystem, superblock.sb_rindex_di.no_addr, "sb_rindex_di", report)
    usage = BlockUsage(filesystem, groups, report)
    checker = _Checker(filesystem, usage, report)
    checker.payload_formats = {inum.no_addr: required for inum, required in inums.values()}
    reader = TreeReader(filesystem, report, checker)
    found = {name: reader.read_system_file(inum.no_addr, name) for name, (inum, _) in inums.items()}
    tree = reader.read_tree(filesystem.root, "sb_root_di")
    journals = []
    jindex = found["sb_jindex_di"]
    if jindex is not None:
        contents = _read_jindex_contents(filesystem, jindex.address, report)
        journals = read_jindex(filesystem, contents, jindex.address, groups, report)
        for journal in journals:
            check_gfs1_journal(filesystem, journal, report)
    quota = found["sb_quota_di"]
    if quota is not None:
        _check_quota(quota.address, quota.size_bytes, report)
    reader.check_links()
    total, free, _ = usage.check()
    return Verified(
        reader.inodes - sum(each is not None for each in found.values()), total, free, len(journals)
    ), tree


def _verify_gfs2(
    filesystem: Filesystem, superblock: gfs2.Superblock, report: Report
) -> tuple[Verified, Tree]:
    # All counting needs the rindex: a first pass over the master directory only finds it.
    names = _master_names(filesystem, superblock.sb_master_dir.no_addr)
    rindex = names.get("rindex", 0)
    groups = _read_groups(filesystem, rindex, "master directory", report)
    usage = BlockUsage(filesystem, groups, report)
    checker = _Checker(filesystem, usage, report)
    checker.payload_formats = {
        rindex: PayloadFormat.RESOURCE_INDEX,
        names.get("quota", 0): PayloadFormat.QUOTAS,
    }
    reader = TreeReader(filesystem, report, checker)
    master = reader.read_tree(superblock.sb_master_dir.no_addr, "sb_master_dir")
    system = reader.inodes
    tree = reader.read_tree(filesystem.root, "sb_root_dir")
    journals = _check_journals(filesystem, master, report)
    quota = master.find("quota")
    if quota is not None and isinstance(quota.content, ImageContent):
        _check_quota(quota.content.address, quota.content.size_bytes, report)
    reader.check_links()
    for name, inum in (("sb_master_dir", superblock.sb_master_dir), ("sb_root_dir", superblock.sb_root_dir)):
        formal_ino = reader.formal_ino_of(inum.no_addr)
        if formal_ino is not None and formal_ino != inum.no_formal_ino:
            problem = f"no_formal_ino {inum.no_formal_ino} of {name} is not the inode's, {formal_ino}"
            report(Damaged(filesystem.superblock_block, "superblock", problem))
    counted = usage.check()
    _check_statfs(filesystem, master, superblock.sb_master_dir.no_addr, counted, report)
    return Verified(reader.inodes - system, counted[0], counted[1], journals), tree


def _read_groups(filesystem: Filesystem, address: int, structure: str, report: Report) -> list[RindexEntry]:
    """Return the resource groups of the rindex at *address*."""
    try:
        contents = read_index(filesystem, address, structure)
    except Damaged as damage:
        report(damage)
        return []
    return read_rindex(filesystem, contents, address, report)


def _read_jindex_contents(filesystem: Filesystem, address: int, report: Report) -> bytes:
    try:
        return read_index(filesystem, address, "sb_jindex_di")
    except Damaged as damage:
        report(damage)
        return b""


def _master_names(filesystem: Filesystem, address: int) -> dict[str, int]:
    """Return the addresses of the files in the master directory; the next pass reports damage in it."""
    tree = TreeReader(filesystem, lambda damage: None, ReadOnceVisitor(filesystem)).read_tree(
        address, "sb_master_dir"
    )
    return {
        name: node.content.address
        for name, node in tree.root.children.items()
        if isinstance(node.content, ImageContent)
    }


def _check_journals(filesystem: Filesystem, master: Tree, report: Report) -> int:
    """Check GFS2's journals. Return their number."""
    jindex = master.find("jindex")
    names = sorted(jindex.children) if jindex is not None else []
    place = filesystem.superblock_block
    if set(names) != {f"journal{number}" for number in range(len(names))} or not names:
        report(Damaged(place, "jindex", f"its names are {', '.join(names[:5]) or 'none'}, not journal0, …"))
    for name in names:
        content = jindex.children[name].content if jindex is not None else None
        if isinstance(content, ImageContent):
            try:
                inode = read_inode(filesystem, content.address, place, name)
                check_gfs2_journal(filesystem, inode, report)
            except Damaged as damage:
                report(damage)
    return len(names)


def _check_quota(address: int, size_bytes: int, report: Report) -> None:
    size = Quota.size_bytes()
    if size_bytes % size or not 2 * size <= size_bytes <= _MAX_QUOTA_BYTES:
        report(Damaged(address, "quota", f"{size_bytes} bytes are not 2 or more records of {size} bytes"))


def _check_statfs(
    filesystem: Filesystem, master: Tree, place: int, counted: tuple[int, int, int], report: Report
) -> None:
    """Report counters of statfs that, with the nodes' changes, differ from *counted* (BlockUsage.check)."""
    stated = [0, 0, 0]
    per_node = master.find("per_node")
    nodes = [master.find("statfs")] + [
        node
        for name, node in (per_node.children.items() if per_node else ())
        if name.startswith("statfs_change")
    ]
    for node in nodes:
        if node is None or not isinstance(node.content, ImageContent) or node.size_bytes < 24:
            report(Damaged(place, "statfs", "is missing or has fewer than three numbers"))
            return
        try:
            inode = read_inode(filesystem, node.content.address, place, "statfs")
            values = struct.unpack(">3q", read_contents(filesystem, inode, 1 << 16)[:24])
        except Damaged as damage:
            report(damage)
            return
        stated = [a + b for a, b in zip(stated, values, strict=True)]
    for name, has, wants in zip(("sc_total", "sc_free", "sc_dinodes"), stated, counted, strict=True):
        if has != wants:
            report(Damaged(place, "statfs", f"{name} {has}, should be {wants}"))
