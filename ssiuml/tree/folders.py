"""A folder of the host as a tree: names, inodes and attributes now, contents when they are streamed."""

import errno
import os
import stat
from pathlib import Path

from ssiuml.errors import SsiumlError
from ssiuml.tree.tree import Extent, Kind, Literal, Meta, Node, Tree, kind_of_mode


class ScanError(SsiumlError):
    """A folder, or something in it, cannot be read."""


def scan_folder(folder: Path) -> Tree:
    """Return what is in *folder* and below, its own mode, owner and times being the root's.

    Links are not followed, hard links within the folder are kept, other file systems mounted in it are read
    like folders. Raises ScanError, naming the path, for what cannot be read.
    """
    tree = Tree()
    seen: dict[tuple[int, int], Node] = {}
    base = os.path.realpath(folder)
    if not folder.is_dir():
        raise ScanError(f"{folder}: {'is not a folder' if folder.exists() else 'is not there'}")
    try:
        tree.root = _node(base, os.lstat(base), seen)
    except OSError as error:
        raise ScanError(f"{folder}: cannot be read: {error.strerror}") from error
    todo = [(base, tree.root)]
    while todo:
        path, node = todo.pop()
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            raise ScanError(f"{path}: cannot be read: {error.strerror}") from error
        for entry in entries:
            try:
                child = _node(entry.path, entry.stat(follow_symlinks=False), seen)
            except OSError as error:
                raise ScanError(f"{entry.path}: cannot be read: {error.strerror}") from error
            node.children[entry.name] = child
            if child.kind is Kind.DIRECTORY:
                todo.append((entry.path, child))
    return tree


def _node(path: str, state: os.stat_result, seen: dict[tuple[int, int], Node]) -> Node:
    identity = (state.st_dev, state.st_ino)
    linked = state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode)
    if linked and identity in seen:
        return seen[identity]
    kind = kind_of_mode(state.st_mode)
    if kind is None:
        raise OSError(errno.EIO, "is nothing that is known")
    node = Node(kind, _meta(path, state))
    if kind is Kind.FILE:
        # What everybody may read needs no further question, and a tree has ten thousand of them.
        if state.st_mode & 0o444 != 0o444 and not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        node.content = Extent(path, 0, state.st_size) if state.st_size else Literal(b"")
    elif kind is Kind.SYMLINK:
        node.target = os.readlink(path)  # noqa: PTH115 - a Path would change it
    elif kind in (Kind.CHARACTER, Kind.BLOCK):
        node.device = (os.major(state.st_rdev), os.minor(state.st_rdev))
    if linked:
        seen[identity] = node
    return node


def _meta(path: str, state: os.stat_result) -> Meta:
    return Meta(
        mode=stat.S_IMODE(state.st_mode),
        uid=state.st_uid,
        gid=state.st_gid,
        mtime_ns=state.st_mtime_ns,
        xattrs=_xattrs(path),
    )


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:  # the file system has none
            return {}
        raise
