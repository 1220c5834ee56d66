"""Folders of the host: as they are, or as layers of what a program such as ``make install`` put there."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.layer import Layer
from ssiuml.tree import Extent, Kind, Literal, Meta, Node, Tree, directory, file, symlink, whole_file

_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}
_NO_XATTRS: Final[dict[str, bytes]] = {}


class FolderError(SsiumlError):
    """A folder holds something that cannot go into an image."""


def read_folder(folder: Path, mtime_ns: int, below: Tree) -> Layer:
    """Return what *folder* holds as a layer for the tree *below*: everything root's, all of one time.

    Owners are not taken over: the folder was filled by an ordinary user for whom all files are his own.
    Directories that *below* has already are left out, so that they keep their modes. Contents stay in the
    folder until the layer is written. FolderError if it, or a folder in it, cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise FolderError(f"{error.filename}: cannot be read as a folder: {error.strerror}") from error

    layer = Layer()
    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(parent, name)
            inside = str(path.relative_to(folder))
            node = _node(path, mtime_ns)
            if node.kind is Kind.DIRECTORY and _is_directory(below, inside):
                continue
            layer.add(inside, node)
    return layer


def _is_directory(tree: Tree, path: str) -> bool:
    node = tree.find(path)
    return node is not None and node.kind is Kind.DIRECTORY


def _node(path: Path, mtime_ns: int) -> Node:
    state = path.lstat()
    meta = Meta(mode=stat.S_IMODE(state.st_mode), mtime_ns=mtime_ns)
    if stat.S_ISLNK(state.st_mode):
        return symlink(str(path.readlink()), Meta(mode=0o777, mtime_ns=mtime_ns))
    if stat.S_ISDIR(state.st_mode):
        return directory(meta)
    if stat.S_ISREG(state.st_mode):
        return file(whole_file(path), meta)
    raise FolderError(f"{path}: is neither file, directory nor symbolic link")


def read_tree(folder: Path) -> Tree:
    """Return everything at and below *folder* as it is: owners, modes, times, attributes, links, devices.

    Other file systems that are mounted in it are read too. Contents stay where they are. FolderError, with
    the path, for what cannot be read.
    """
    tree = Tree()
    try:
        state = folder.stat()
        if not stat.S_ISDIR(state.st_mode):
            raise FolderError(f"{folder}: is not a folder")
        tree.root.meta = _meta(str(folder), state)
        linked: dict[tuple[int, int], Node] = {}
        todo = [(str(folder), tree.root)]
        while todo:
            path, parent = todo.pop()
            with os.scandir(path) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    several = state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode)
                    identity = (state.st_dev, state.st_ino)
                    node = linked.get(identity) if several else None
                    if node is None:
                        node = _as_it_is(entry.path, state)
                    if several:
                        linked[identity] = node
                    if node.kind is Kind.DIRECTORY:
                        todo.append((entry.path, node))
                    parent.children[entry.name] = node
    except OSError as error:
        raise FolderError(f"{error.filename or folder}: cannot be read: {error.strerror}") from error
    return tree


def _as_it_is(path: str, state: os.stat_result) -> Node:
    node = Node(_KINDS[stat.S_IFMT(state.st_mode)], _meta(path, state))
    if node.kind is Kind.FILE:
        node.content = Extent(Path(path), 0, state.st_size) if state.st_size else Literal(b"")
    elif node.kind is Kind.SYMLINK:
        node.target = os.readlink(path)  # noqa: PTH115 - a Path would tidy the target up
    elif node.kind in (Kind.CHARACTER, Kind.BLOCK):
        node.device = (os.major(state.st_rdev), os.minor(state.st_rdev))
    return node


def _meta(path: str, state: os.stat_result) -> Meta:
    mode = stat.S_IMODE(state.st_mode)
    return Meta(
        mode=mode, uid=state.st_uid, gid=state.st_gid, mtime_ns=state.st_mtime_ns, xattrs=_xattrs(path)
    )


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return _NO_XATTRS
        raise
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names} if names else _NO_XATTRS
