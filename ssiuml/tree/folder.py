"""Folders of the host as layers: what a program such as ``make install`` has put into one."""

import os
import stat
from pathlib import Path

from ssiuml.errors import SsiumlError
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Kind, Meta, Node, Tree, directory, file, symlink, whole_file


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
