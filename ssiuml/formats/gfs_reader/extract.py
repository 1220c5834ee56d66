"""Writes a tree that was read from an image into a folder of the host."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs_reader.contents import ImageContent
from ssiuml.formats.gfs_reader.filesystem import Damaged, Report
from ssiuml.tree.tree import Kind, Meta, Node, Tree

# Errors of a file system or the kernel that does not accept an attribute.
_REFUSED: Final = (
    errno.EPERM,
    errno.EACCES,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.ENOSPC,
    errno.E2BIG,
    errno.ERANGE,
)
_FORMATS: Final = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.SOCKET: stat.S_IFSOCK}


def extract(tree: Tree, folder: Path, report: Report) -> list[str]:
    """Write *tree* into *folder*, which must be new or empty; holes stay holes.

    Owners, devices and some attributes need root. Return the paths of files and attributes that were left
    out. A file with wrong pointers ends at the first one, which goes to *report*. Raise SsiumlError, with the
    path, if the host refuses something else.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SsiumlError(f"{folder}: exists and is not an empty folder", hint="give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    extraction = _Extraction(os.fsencode(folder), report)
    try:
        for path, node in tree.walk():
            extraction.make(path, node)
        # Last: new files change a directory's time, and its mode may forbid them.
        for path, node in reversed(list(_directories(tree))):
            extraction.finish(extraction.place(path), node.meta, follow=True)
    except OSError as error:
        where = os.fsdecode(error.filename) if error.filename else str(folder)
        raise SsiumlError(f"{where}: cannot be made: {error.strerror}") from error
    return extraction.left_out


def _directories(tree: Tree) -> Iterator[tuple[str, Node]]:
    return ((path, node) for path, node in tree.walk() if node.kind is Kind.DIRECTORY)


class _Extraction:
    def __init__(self, folder: bytes, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._first: dict[int, bytes] = {}
        self._is_root = os.geteuid() == 0
        self.left_out: list[str] = []

    def place(self, path: str) -> bytes:
        """Return the place of *path*. Names have no '/', so nothing leaves the folder."""
        name = path.encode("utf-8", "surrogateescape")
        return os.path.join(self._folder, name) if name else self._folder  # noqa: PTH118 - bytes

    def make(self, path: str, node: Node) -> None:
        place = self.place(path)
        if node.kind is Kind.DIRECTORY:
            if path:
                os.mkdir(place, 0o700)  # noqa: PTH102 - bytes
            return
        first = self._first.setdefault(id(node), place)
        if first != place:
            os.link(first, place, follow_symlinks=False)
            return
        if not self._make_inode(place, node):
            del self._first[id(node)]
            self.left_out.append(path)
            return
        self.finish(place, node.meta, follow=node.kind is not Kind.SYMLINK)

    def _make_inode(self, place: bytes, node: Node) -> bool:
        if node.kind is Kind.FILE:
            self._write(place, node)
        elif node.kind is Kind.SYMLINK:
            target = (node.target or "").encode("utf-8", "surrogateescape")
            os.symlink(target, place)  # noqa: PTH211 - bytes
        elif node.kind is Kind.FIFO:
            os.mkfifo(place, 0o600)
        else:
            try:
                os.mknod(place, _FORMATS[node.kind] | 0o600, os.makedev(*(node.device or (0, 0))))
            except (PermissionError, OverflowError, ValueError):
                return False
        return True

    def _write(self, place: bytes, node: Node) -> None:
        number = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            if isinstance(node.content, ImageContent):
                for offset, data in node.content.spans():
                    _write_all(number, data, offset)
            elif node.content is not None:
                for data in node.content.chunks():
                    _write_all(number, data, os.lseek(number, 0, os.SEEK_END))
            self._set_size(number, node)
        except Damaged as damage:
            self._report(damage)
        finally:
            os.close(number)

    def _set_size(self, number: int, node: Node) -> None:
        try:
            os.ftruncate(number, node.size_bytes)
        except OSError as error:
            if error.errno != errno.EFBIG or not isinstance(node.content, ImageContent):
                raise
            size = f"di_size {node.size_bytes} is more than this machine's file system allows"
            self._report(Damaged(node.content.address, "dinode", size))

    def finish(self, place: bytes, meta: Meta, *, follow: bool) -> None:
        """Set owner, mode, attributes and times, as far as permissions allow."""
        # In this order: a new owner removes capabilities, and a new mode changes an ACL.
        if self._is_root:
            os.chown(place, meta.uid, meta.gid, follow_symlinks=follow)
        if follow:
            os.chmod(place, meta.mode)  # noqa: PTH101 - bytes
        for name, value in meta.xattrs.items():
            try:
                os.setxattr(place, name, value, follow_symlinks=follow)
            except OSError as error:
                if error.errno not in _REFUSED:
                    raise
                self.left_out.append(f"{os.fsdecode(place)}: {name}")
        try:
            os.utime(place, ns=(meta.mtime_ns, meta.mtime_ns), follow_symlinks=follow)
        except OverflowError:
            self.left_out.append(f"{os.fsdecode(place)}: its time, {meta.mtime_ns} ns since 1970")


def _write_all(number: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(number, view, offset)
        view, offset = view[done:], offset + done
