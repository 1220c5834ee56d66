"""Folders of the host, read as a tree or as a layer. Contents stay in the files until they are streamed."""

import errno
import os
import stat
from pathlib import Path

from ssiuml.errors import SsiumlError
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import (
    Extent,
    Kind,
    Literal,
    Meta,
    Node,
    Tree,
    directory,
    file,
    kind_of_mode,
    symlink,
    whole_file,
)


def read_folder_tree(folder: Path) -> Tree:
    """Return *folder* and all below it with modes, owners, times and attributes as lstat(2) shows them.

    Links are not followed, hard links within the folder are kept, and other file systems mounted in it are
    read like folders. Raise SsiumlError, with the path, if something cannot be read.
    """
    tree = Tree()
    seen: dict[tuple[int, int], Node] = {}
    base = os.path.realpath(folder)
    if not folder.is_dir():
        raise SsiumlError(f"{folder}: {'is not a folder' if folder.exists() else 'does not exist'}")
    try:
        tree.root = _node(base, os.lstat(base), seen)
    except OSError as error:
        raise SsiumlError(f"{folder}: cannot be read: {error.strerror}") from error
    todo = [(base, tree.root)]
    while todo:
        path, node = todo.pop()
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            raise SsiumlError(f"{path}: cannot be read: {error.strerror}") from error
        for entry in entries:
            try:
                child = _node(entry.path, entry.stat(follow_symlinks=False), seen)
            except OSError as error:
                raise SsiumlError(f"{entry.path}: cannot be read: {error.strerror}") from error
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
        raise OSError(errno.EIO, f"its type, 0{stat.S_IFMT(state.st_mode):o}, is unknown")
    node = Node(kind, _meta(path, state))
    if kind is Kind.FILE:
        # access(2) only for files that not everybody may read: a tree has ten thousand of the others.
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


def read_folder_layer(folder: Path, mtime_ns: int, below: Tree) -> Layer:
    """Return what a program such as ``make install`` put into *folder* as a layer for the tree *below*.

    All entries belong to root and have the time *mtime_ns*: an ordinary user filled the folder and owns all
    of it. Directories that *below* has already are left out, so that they keep their modes. Raise
    SsiumlError, with the path, if a folder cannot be read or something is no file, folder or symbolic link.
    """

    def refuse(error: OSError) -> None:
        raise SsiumlError(f"{error.filename}: cannot be read as a folder: {error.strerror}") from error

    layer = Layer()
    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(parent, name)
            inside = str(path.relative_to(folder))
            node = _installed_node(path, mtime_ns)
            if node.kind is Kind.DIRECTORY and _is_directory(below, inside):
                continue
            layer.add(inside, node)
    return layer


def _is_directory(tree: Tree, path: str) -> bool:
    node = tree.find(path)
    return node is not None and node.kind is Kind.DIRECTORY


def _installed_node(path: Path, mtime_ns: int) -> Node:
    state = path.lstat()
    meta = Meta(mode=stat.S_IMODE(state.st_mode), mtime_ns=mtime_ns)
    if stat.S_ISLNK(state.st_mode):
        return symlink(str(path.readlink()), Meta(mode=0o777, mtime_ns=mtime_ns))
    if stat.S_ISDIR(state.st_mode):
        return directory(meta)
    if stat.S_ISREG(state.st_mode):
        return file(whole_file(path), meta)
    raise SsiumlError(f"{path}: is no file, folder or symbolic link")
