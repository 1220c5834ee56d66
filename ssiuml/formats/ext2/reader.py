"""Reads an ext2, ext3 or ext4 image into a tree."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.ext2.attributes import AttributeReader
from ssiuml.formats.ext2.contents import content_of, target_of
from ssiuml.formats.ext2.directories import Name, read_directory
from ssiuml.formats.ext2.filesystem import Ext2Error, Filesystem, read_filesystem
from ssiuml.formats.ext2.inodes import Inode, read_inode
from ssiuml.formats.ext2.structures import ROOT_INODE
from ssiuml.host.devices import open_device
from ssiuml.tree.tree import Kind, Meta, Node, Tree

LOST_AND_FOUND: Final = "lost+found"
# A path of more names does not fit into PATH_MAX (4096).
_DEPTH_MAX: Final = 2048


def read_ext2(image: Path, *, keep_lost_found: bool = False) -> Tree:
    """Return the tree in the ext2, ext3 or ext4 file system *image*, a file or block device opened read-only.

    Contents stay in the image, which must not change or move while the tree is in use. ``lost+found`` in the
    root belongs to the old file system: it is left out with all in it, unless *keep_lost_found*.
    Nothing in the image is trusted. Raise Ext2Error, with inode or block and structure, if the image has no
    ext2 file system, has an unknown feature or a journal to be replayed, is damaged, or cannot be read.
    """
    try:
        with open_device(image) as device:
            return _Reader(image, read_filesystem(image, device), keep_lost_found).read()
    except Ext2Error:
        raise
    except SsiumlError as error:  # from open_device, whose hints are for writers
        raise Ext2Error(error.message, hint="give the file or device that has the file system") from error
    except OSError as error:
        raise Ext2Error(f"{image}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Directory:
    inode: Inode
    inline: bytes
    node: Node
    parent: int
    depth: int


@dataclass(slots=True)
class _Reader:
    image: Path
    filesystem: Filesystem
    keep_lost_found: bool
    nodes: dict[int, Node] = field(default_factory=dict)
    todo: list[_Directory] = field(default_factory=list)
    attributes: AttributeReader = field(init=False)

    def __post_init__(self) -> None:
        self.attributes = AttributeReader(self.filesystem)

    def read(self) -> Tree:
        tree = Tree()
        tree.root = self._enter(ROOT_INODE, "superblock", "root directory", ROOT_INODE, 0)
        if tree.root.kind is not Kind.DIRECTORY:
            raise self.filesystem.damaged(f"inode {ROOT_INODE}", "i_mode", "the root is no directory")
        while self.todo:
            directory = self.todo.pop()
            for name in read_directory(self.filesystem, directory.inode, directory.inline, directory.parent):
                self._take(directory, name)
        return tree

    def _take(self, directory: _Directory, name: Name) -> None:
        text, structure = name.name.decode("utf-8", "surrogateescape"), f"dirent {name.name!r}"
        children = directory.node.children
        if text == LOST_AND_FOUND and directory.depth == 0 and not self.keep_lost_found:
            return
        if text in children:
            raise self.filesystem.damaged(name.where, structure, "is there twice")
        if name.inode < self.filesystem.first_inode:
            raise self.filesystem.damaged(
                name.where, structure, f"leads to inode {name.inode}, which is reserved"
            )
        node = self.nodes.get(name.inode)
        if node is None:
            depth = directory.depth + 1
            node = self._enter(name.inode, name.where, structure, directory.inode.number, depth)
        elif node.kind is Kind.DIRECTORY:
            raise self.filesystem.damaged(
                name.where, structure, f"is a second name of the directory in inode {name.inode}"
            )
        if name.kind not in (None, node.kind):
            problem = f"file_type is '{name.kind.value}', inode {name.inode} is '{node.kind.value}'"
            raise self.filesystem.damaged(name.where, structure, problem)
        children[text] = node

    def _enter(self, number: int, where: str, structure: str, parent: int, depth: int) -> Node:
        """Return the node of an inode that was not seen before. The names in a directory are read later."""
        inode = read_inode(self.filesystem, number, where, structure)
        found = self.attributes.read(inode)
        meta = Meta(
            mode=inode.mode, uid=inode.uid, gid=inode.gid, mtime_ns=inode.mtime_ns, xattrs=found.xattrs
        )
        node = self.nodes[number] = Node(inode.kind, meta)
        if inode.kind is Kind.FILE:
            node.content = content_of(self.filesystem, inode, found.inline, self.image)
        elif inode.kind is Kind.SYMLINK:
            node.target = target_of(self.filesystem, inode, found.inline)
        elif inode.kind is Kind.DIRECTORY:
            if depth > _DEPTH_MAX:
                raise self.filesystem.damaged(where, structure, f"is more than {_DEPTH_MAX} directories deep")
            self.todo.append(_Directory(inode, found.inline, node, parent, depth))
        elif inode.kind in (Kind.CHARACTER, Kind.BLOCK):
            node.device = inode.device()
        return node
