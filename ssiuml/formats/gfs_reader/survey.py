"""Walks all inodes of a file system and makes a tree of them."""

from dataclasses import dataclass, field
from typing import Protocol

from ssiuml.formats.gfs_reader.attributes import read_attributes
from ssiuml.formats.gfs_reader.contents import ImageContent, walk_blocks
from ssiuml.formats.gfs_reader.damage import Claim, Damaged, Report
from ssiuml.formats.gfs_reader.directories import Name, read_directory
from ssiuml.formats.gfs_reader.filesystem import Filesystem
from ssiuml.formats.gfs_reader.inodes import Inode, read_inode
from ssiuml.tree.tree import Kind, Meta, Node, Tree


class Visitor(Protocol):
    """Is told of every inode that is found, and of the blocks for names and attributes."""

    def visit(self, inode: Inode) -> None:
        """Take note of an inode, once; raise Damaged if its block belongs to something else.

        Also if that is so of a directory's other blocks: it is then not read.
        """
        ...

    def claim(self, address: int, owner: int, structure: str) -> None:
        """Take note of a block of names or attributes; raise Damaged if it belongs to something else."""
        ...


@dataclass(slots=True)
class Once:
    """The visitor for those who only read: no block of inodes, names or attributes is read twice."""

    filesystem: Filesystem
    seen: set[int] = field(default_factory=set)

    def visit(self, inode: Inode) -> None:
        self.claim(inode.address, inode.address, "dinode")
        if inode.kind is Kind.DIRECTORY:
            for part, address, _ in walk_blocks(self.filesystem, inode):
                self.claim(address, inode.address, part.value)

    def claim(self, address: int, owner: int, structure: str) -> None:
        if address in self.seen:
            raise Damaged(owner, structure, f"block {address} belongs to something else already")
        self.seen.add(address)


@dataclass(slots=True)
class _Found:
    """What is remembered of an inode: its node, and links said and found."""

    node: Node
    formal: int
    links: int
    names: int = 0


class Survey:
    """One walk; what is wrong goes to *report*, and what can be read in spite of it is in the trees."""

    def __init__(self, filesystem: Filesystem, report: Report, visitor: Visitor) -> None:
        self._filesystem = filesystem
        self._report = report
        self._visitor = visitor
        self._found: dict[int, _Found] = {}

    @property
    def inodes(self) -> int:
        return len(self._found)

    def formal_of(self, address: int) -> int | None:
        """The formal number of the inode at *address*; None if none was found there."""
        found = self._found.get(address)
        return None if found is None else found.formal

    def walk(self, root: int, structure: str) -> Tree:
        """The tree below the directory at *root*, to which *structure* in the superblock points."""
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
            todo.extend(self._read(directory, parent))
        return tree

    def single(self, address: int, structure: str) -> Inode | None:
        """A system file of GFS1, to which *structure* in the superblock points; None if it is damaged."""
        try:
            inode = self._enter(address, self._filesystem.superblock_block, structure)
        except Damaged as damage:
            self._report(damage)
            return None
        self._found[address].names = 1
        return inode

    def check_links(self) -> None:
        """Report every inode whose di_nlink is not the number of names that were found."""
        for address, found in self._found.items():
            if found.links != found.names:
                self._report(
                    Damaged(
                        address, "dinode", f"di_nlink {found.links}, names that lead to it: {found.names}"
                    )
                )

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
        self._found[address] = _Found(node, inode.formal, inode.links)
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

    def _read(self, directory: Inode, parent: int) -> list[tuple[Inode, int]]:
        """Put the children of *directory* into its node; return the directories among them."""
        node, below, count = self._found[directory.address].node, [], 0
        dots: dict[bytes, int] = {}
        claim = self._claimer(directory, "leaf")
        for item in read_directory(self._filesystem, directory, self._report, claim):
            try:
                count += 1
                if item.name in (b".", b".."):
                    dots[item.name] = dots.get(item.name, 0) + 1
                    self._check_dot(item, directory.address, parent)
                    continue
                child = self._child(item, node)
                if child is not None:
                    below.append((child, directory.address))
            except Damaged as damage:
                self._report(damage)
        if count != directory.entries:
            self._report(
                Damaged(directory.address, "dinode", f"di_entries {directory.entries}, there are {count}")
            )
        for dot in (b".", b".."):
            if dots.get(dot) != 1:
                times = dots.get(dot, 0)
                self._report(
                    Damaged(directory.address, "directory", f"{dot.decode()!r} is there {times} times")
                )
        return below

    def _check_dot(self, item: Name, address: int, parent: int) -> None:
        wanted = address if item.name == b"." else parent
        if item.address != wanted:
            raise Damaged(
                item.block, "dirent", f"{item.name.decode()!r} leads to {item.address} instead of {wanted}"
            )
        found = self._found[wanted]
        found.names += 1
        self._check_entry(item, found)

    def _child(self, item: Name, node: Node) -> Inode | None:
        """Enter what a name leads to; return it if it is a directory, to be read."""
        name = item.name.decode("utf-8", "surrogateescape")
        if name in node.children:
            raise Damaged(item.block, "dirent", f"{item.name!r} is there twice")
        found, inode = self._found.get(item.address), None
        if found is None:
            inode = self._enter(item.address, item.block, f"dirent {item.name!r}")
            found = self._found[item.address]
        elif found.node.kind is Kind.DIRECTORY:
            raise Damaged(item.block, "dirent", f"{item.name!r} is a second name of a directory")
        node.children[name] = found.node
        found.names += 1
        self._check_entry(item, found)
        return inode if inode is not None and inode.kind is Kind.DIRECTORY else None

    def _check_entry(self, item: Name, found: _Found) -> None:
        """Report what an entry says of its inode and the inode does not."""
        if found.node.kind is not item.kind:
            kinds = f"'{item.kind.value}', the inode is '{found.node.kind.value}'"
            self._report(Damaged(item.block, "dirent", f"de_type of {item.name!r} is {kinds}"))
        if found.formal != item.formal:
            formal = f"{item.formal} of {item.name!r} is not the inode's, {found.formal}"
            self._report(Damaged(item.block, "dirent", f"no_formal_ino {formal}"))


def read_tree(filesystem: Filesystem, report: Report) -> Tree:
    """The tree of the files in *filesystem*; damage goes to *report*, the rest is in the tree."""
    return Survey(filesystem, report, Once(filesystem)).walk(filesystem.root, "sb_root_dir")
