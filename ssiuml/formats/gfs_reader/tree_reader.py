"""Reads all inodes of a file system into trees."""

from dataclasses import dataclass, field
from typing import Protocol

from ssiuml.formats.gfs_reader.attributes import read_attributes
from ssiuml.formats.gfs_reader.contents import ImageContent, walk_blocks
from ssiuml.formats.gfs_reader.directories import DirectoryEntry, read_directory
from ssiuml.formats.gfs_reader.filesystem import Claim, Damaged, Filesystem, Report
from ssiuml.formats.gfs_reader.inodes import Inode, read_inode
from ssiuml.tree.tree import Kind, Meta, Node, Tree


class Visitor(Protocol):
    """Receives every inode that TreeReader finds, and every block of directory entries and attributes."""

    def visit(self, inode: Inode) -> None:
        """Record an inode, once. Raise Damaged if its block has another use.

        For a directory, raise Damaged if one of its other blocks has another use: TreeReader then skips it.
        """
        ...

    def claim(self, address: int, owner: int, structure: str) -> None:
        """Record a block of directory entries or attributes. Raise Damaged if it has another use."""
        ...


@dataclass(slots=True)
class ReadOnceVisitor:
    """The visitor for reading alone: refuses a second read of a block of inodes, entries or attributes."""

    filesystem: Filesystem
    seen: set[int] = field(default_factory=set)

    def visit(self, inode: Inode) -> None:
        self.claim(inode.address, inode.address, "dinode")
        if inode.kind is Kind.DIRECTORY:
            for role, address, _ in walk_blocks(self.filesystem, inode):
                self.claim(address, inode.address, role.value)

    def claim(self, address: int, owner: int, structure: str) -> None:
        if address in self.seen:
            raise Damaged(owner, structure, f"block {address} belongs to something else already")
        self.seen.add(address)


@dataclass(slots=True)
class _Found:
    """An inode that was read: its node, its di_nlink, and the number of names found for it."""

    node: Node
    formal_ino: int
    links: int
    names: int = 0


class TreeReader:
    """Reads trees of inodes. Errors go to *report*; everything that is still readable is in the trees."""

    def __init__(self, filesystem: Filesystem, report: Report, visitor: Visitor) -> None:
        self._filesystem = filesystem
        self._report = report
        self._visitor = visitor
        self._found: dict[int, _Found] = {}

    @property
    def inodes(self) -> int:
        """Number of inodes read so far."""
        return len(self._found)

    def formal_ino_of(self, address: int) -> int | None:
        """Return no_formal_ino of the inode at *address*, or None if no inode was read there."""
        found = self._found.get(address)
        return None if found is None else found.formal_ino

    def read_tree(self, root: int, structure: str) -> Tree:
        """Return the tree below the directory at *root*, to which *structure* in the superblock points."""
        tree = Tree()
        superblock = self._filesystem.superblock_block
        try:
            top = self._enter(root, superblock, structure)
        except Damaged as damage:
            self._report(damage)
            return tree
        if top.kind is not Kind.DIRECTORY:
            self._report(Damaged(root, "dinode", f"{structure} is no directory"))
            return tree
        tree.root = self._found[root].node
        todo = [(top, root)]
        while todo:
            directory, parent = todo.pop()
            todo.extend(self._read_directory(directory, parent))
        return tree

    def read_system_file(self, address: int, structure: str) -> Inode | None:
        """Return a special inode of GFS1, to which *structure* in the superblock points; None if damaged."""
        try:
            inode = self._enter(address, self._filesystem.superblock_block, structure)
        except Damaged as damage:
            self._report(damage)
            return None
        self._found[address].names = 1
        return inode

    def check_links(self) -> None:
        """Report every inode whose di_nlink is not the number of names found for it."""
        for address, found in self._found.items():
            if found.links != found.names:
                problem = f"di_nlink {found.links}, names that lead to it: {found.names}"
                self._report(Damaged(address, "dinode", problem))

    def _enter(self, address: int, owner: int, structure: str) -> Inode:
        inode = read_inode(self._filesystem, address, owner, structure)
        self._visitor.visit(inode)
        node = Node(inode.kind, self._meta(inode))
        if inode.kind is Kind.FILE:
            node.content = ImageContent(self._filesystem, address, inode.size_bytes)
        elif inode.kind is Kind.SYMLINK:
            node.target = inode.body[: inode.size_bytes].decode("utf-8", "surrogateescape")
        elif inode.kind in (Kind.CHARACTER, Kind.BLOCK):
            node.device = inode.device
        self._found[address] = _Found(node, inode.formal_ino, inode.links)
        return inode

    def _claimer(self, inode: Inode, structure: str) -> Claim:
        return lambda address: self._visitor.claim(address, inode.address, structure)

    def _meta(self, inode: Inode) -> Meta:
        xattrs: dict[str, bytes] = {}
        try:
            xattrs = read_attributes(self._filesystem, inode, self._claimer(inode, "di_eattr"))
        except Damaged as damage:
            self._report(damage)
        return Meta(mode=inode.mode, uid=inode.uid, gid=inode.gid, mtime_ns=inode.mtime_ns, xattrs=xattrs)

    def _read_directory(self, directory: Inode, parent: int) -> list[tuple[Inode, int]]:
        """Add the children of *directory* to its node. Return those that are directories."""
        node, below, count = self._found[directory.address].node, [], 0
        dots: dict[bytes, int] = {}
        claim = self._claimer(directory, "leaf")
        for entry in read_directory(self._filesystem, directory, self._report, claim):
            try:
                count += 1
                if entry.name in (b".", b".."):
                    dots[entry.name] = dots.get(entry.name, 0) + 1
                    self._check_dot(entry, directory.address, parent)
                    continue
                child = self._child(entry, node)
                if child is not None:
                    below.append((child, directory.address))
            except Damaged as damage:
                self._report(damage)
        if count != directory.entries:
            problem = f"di_entries {directory.entries}, there are {count}"
            self._report(Damaged(directory.address, "dinode", problem))
        for dot in (b".", b".."):
            if dots.get(dot) != 1:
                problem = f"{dot.decode()!r} occurs {dots.get(dot, 0)} times"
                self._report(Damaged(directory.address, "directory", problem))
        return below

    def _check_dot(self, entry: DirectoryEntry, address: int, parent: int) -> None:
        wanted = address if entry.name == b"." else parent
        if entry.address != wanted:
            raise Damaged(
                entry.block, "dirent", f"{entry.name.decode()!r} leads to {entry.address} instead of {wanted}"
            )
        found = self._found[wanted]
        found.names += 1
        self._check_entry(entry, found)

    def _child(self, entry: DirectoryEntry, node: Node) -> Inode | None:
        """Add the inode of *entry* to *node*. Return it if it is a directory that is still to be read."""
        name = entry.name.decode("utf-8", "surrogateescape")
        if name in node.children:
            raise Damaged(entry.block, "dirent", f"{entry.name!r} occurs twice")
        found, inode = self._found.get(entry.address), None
        if found is None:
            inode = self._enter(entry.address, entry.block, f"dirent {entry.name!r}")
            found = self._found[entry.address]
        elif found.node.kind is Kind.DIRECTORY:
            raise Damaged(entry.block, "dirent", f"{entry.name!r} is a second name of a directory")
        node.children[name] = found.node
        found.names += 1
        self._check_entry(entry, found)
        return inode if inode is not None and inode.kind is Kind.DIRECTORY else None

    def _check_entry(self, entry: DirectoryEntry, found: _Found) -> None:
        """Report differences between an entry and its inode."""
        if found.node.kind is not entry.kind:
            kinds = f"'{entry.kind.value}', the inode is '{found.node.kind.value}'"
            self._report(Damaged(entry.block, "dirent", f"de_type of {entry.name!r} is {kinds}"))
        if found.formal_ino != entry.formal_ino:
            problem = (
                f"no_formal_ino {entry.formal_ino} of {entry.name!r} is not the inode's, {found.formal_ino}"
            )
            self._report(Damaged(entry.block, "dirent", problem))


def read_tree(filesystem: Filesystem, report: Report) -> Tree:
    """Return the tree of the files in *filesystem*. Damage goes to *report*; all readable files are in it."""
    return TreeReader(filesystem, report, ReadOnceVisitor(filesystem)).read_tree(
        filesystem.root, "sb_root_dir"
    )
