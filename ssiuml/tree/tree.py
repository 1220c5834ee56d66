"""A file tree in memory: names, inodes, and where the bytes of each file lie.

A tree holds no file contents. The inode of a regular file names the place of its bytes: an extent of a tar
archive, a file of the host, or a short literal. The code that writes the tree out streams them.

Paths are POSIX paths relative to the tree's root, with or without a leading slash. Names are ``str`` with
undecodable bytes as surrogates (PEP 383), so that every byte string is a possible name. Lookups follow
symbolic links as a process chrooted into the tree would: an absolute target starts at the tree's root and
``..`` in the root stays there, so no lookup can leave the tree.
"""

import enum
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, runtime_checkable

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES, data_ranges

# Linux's limit (MAXSYMLINKS) on links followed in one lookup.
MAX_SYMLINKS = 40


class TreeError(SsiumlError):
    """A path is not in the tree, has the wrong kind for an operation, or its contents cannot be read."""


class Kind(enum.Enum):
    """The type of an inode; the values are the letters of ``find -printf %y``."""

    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"
    CHARACTER = "c"
    BLOCK = "b"
    FIFO = "p"
    SOCKET = "s"


_KIND_OF_FORMAT: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}
_FORMAT_OF_KIND: Final = {kind: bits for bits, kind in _KIND_OF_FORMAT.items()}


def kind_of_mode(mode: int) -> Kind | None:
    """Return the type that this st_mode has in its S_IFMT bits (inode(7)); None if they are unknown."""
    return _KIND_OF_FORMAT.get(stat.S_IFMT(mode))


def format_of_kind(kind: Kind) -> int:
    """Return the S_IFMT bits of an st_mode for this type of inode."""
    return _FORMAT_OF_KIND[kind]


class SupportsRead(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


class Content(Protocol):
    """The place of a regular file's bytes."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order, in pieces of at most CHUNK_BYTES."""
        ...


@runtime_checkable
class SparseContent(Protocol):
    """Contents that may have holes, which are zeros."""

    def spans(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of the contents in order, without the holes."""
        ...


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes held in memory: generated files, a few kilobytes at most."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        if self.data:
            yield self.data


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes that lie in one piece in a file of the host, such as a member of an uncompressed tar.

    *path* may be a string: making ten thousand Paths takes as long as opening ten thousand files.
    """

    path: Path | str
    offset_bytes: int
    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        with open(self.path, "rb", buffering=0) as stream:  # noqa: PTH123 - see path
            stream.seek(self.offset_bytes)
            yield from read_exactly(stream, self.size_bytes, str(self.path))

    def spans(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of the contents in order, without holes of the file. Raise as chunks does."""
        with open(self.path, "rb", buffering=0) as stream:  # noqa: PTH123 - see path
            end = self.offset_bytes + self.size_bytes
            missing = end - stream.seek(0, os.SEEK_END)
            if missing > 0:  # a missing end must not be taken for a hole
                raise TreeError(f"{self.path}: ends {missing} bytes before it should")
            for start, stop in data_ranges(stream.fileno(), self.offset_bytes, end):
                stream.seek(start)
                for chunk in read_exactly(stream, stop - start, str(self.path)):
                    yield start - self.offset_bytes, chunk
                    start += len(chunk)


def whole_file(path: Path) -> Extent:
    """Return the contents of a file of the host. Raise OSError if it does not exist."""
    return Extent(path, 0, path.stat().st_size)


def read_exactly(stream: SupportsRead, size_bytes: int, name: str) -> Iterator[bytes]:
    """Yield *size_bytes* bytes of *stream*. Raise TreeError, with *name*, if it ends before that."""
    left = size_bytes
    while left:
        chunk = stream.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise TreeError(f"{name}: ends {left} bytes before it should")
        left -= len(chunk)
        yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The metadata of an inode."""

    mode: int  # permission bits, set-id and sticky bits included (0o7777)
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Node:
    """An inode. Several names (hard links) share one Node; only a directory's children ever change.

    Symbolic links have a ``target``, devices a ``device`` (major, minor), regular files a ``content``.
    """

    kind: Kind
    meta: Meta
    content: Content | None = None
    target: str | None = None
    device: tuple[int, int] | None = None
    children: dict[str, "Node"] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """The size of a file's contents; 0 for every other kind."""
        return self.content.size_bytes if self.content is not None else 0

    def read(self) -> bytes:
        """Return all bytes of a regular file that is known to be small. Raise TreeError for other kinds."""
        if self.content is None:
            raise TreeError(f"only a regular file has contents, this is of kind '{self.kind.value}'")
        return b"".join(self.content.chunks())


def file(content: Content, meta: Meta) -> Node:
    """Return a new regular file."""
    return Node(Kind.FILE, meta, content=content)


def directory(meta: Meta) -> Node:
    """Return a new empty directory."""
    return Node(Kind.DIRECTORY, meta)


def symlink(target: str, meta: Meta | None = None) -> Node:
    """Return a new symbolic link, by default owned by root."""
    return Node(Kind.SYMLINK, meta or Meta(mode=0o777), target=target)


def parts_of(path: str | PurePosixPath) -> list[str]:
    """Return the names in a tree path, without empty ones and without '.'."""
    return [part for part in str(path).split("/") if part not in ("", ".")]


class Tree:
    """A mutable tree of nodes. A build step makes a new one by merging layers (ssiuml.tree.layer)."""

    def __init__(self, root: Meta | None = None) -> None:
        self.root = directory(root or Meta(mode=0o755))

    def find(self, path: str, *, follow: bool = True) -> Node | None:
        """Return the node at *path*, or None. With *follow*, follow a link that is the last name too."""
        try:
            return self.lookup(path, follow=follow)
        except TreeError:
            return None

    def lookup(self, path: str, *, follow: bool = True) -> Node:
        """Return the node at *path*. Raise TreeError if there is none, or if links form a circle."""
        return self._walk_to(path, follow=follow)[-1][1]

    def real_path(self, path: str, *, follow: bool = True) -> str:
        """Return *path* with every symbolic link in it resolved, without leading slash."""
        return "/".join(name for name, _ in self._walk_to(path, follow=follow)[1:])

    def _walk_to(self, path: str, *, follow: bool) -> list[tuple[str, Node]]:
        trail = [("", self.root)]
        todo = parts_of(path)[::-1]
        links = 0
        while todo:
            name = todo.pop()
            here = trail[-1][1]
            if here.kind is not Kind.DIRECTORY:
                raise TreeError(f"{path}: '{trail[-1][0]}' in it is not a directory")
            if name == "..":
                del trail[max(1, len(trail) - 1) :]
                continue
            child = here.children.get(name)
            if child is None:
                raise TreeError(f"{path}: no such file in the tree (no '{name}')")
            if child.kind is Kind.SYMLINK and (todo or follow):
                links += 1
                if links > MAX_SYMLINKS:
                    raise TreeError(f"{path}: more than {MAX_SYMLINKS} symbolic links, probably a circle")
                target = child.target or ""
                if target.startswith("/"):
                    del trail[1:]
                todo.extend(parts_of(target)[::-1])
            else:
                trail.append((name, child))
        return trail

    def add(self, path: str, node: Node) -> None:
        """Put *node* at *path*, in place of a file or link there. Follow links on the way to its parent.

        A directory that is added over a directory, or over a link to one, keeps the children and takes the
        new metadata, as unpacking an archive does. Missing parents are made with mode 0755, owned by root.
        Raise TreeError if a parent is no directory or a link to nowhere, or if *node* would replace a
        directory that is not empty.
        """
        names = parts_of(path)
        if not names:
            self._take_over(self.root, node, path)
            return
        if names[-1] == "..":
            raise TreeError(f"{path}: cannot be the name of a new file")
        parent = self._parent(names)
        old = parent.children.get(names[-1])
        if node.kind is Kind.DIRECTORY and old is not None:
            there = old if old.kind is Kind.DIRECTORY else self._linked_directory(path, old)
            if there is not None:
                self._take_over(there, node, path)
                return
        if old is not None and old.children:
            raise TreeError(
                f"{path}: would replace a directory that is not empty; remove that directory first"
            )
        parent.children[names[-1]] = node

    def _linked_directory(self, path: str, old: Node) -> Node | None:
        """Return the directory that the link *old* at *path* leads to; None if it leads to none."""
        if old.kind is not Kind.SYMLINK:
            return None
        target = self.find(path)
        return target if target is not None and target.kind is Kind.DIRECTORY else None

    @staticmethod
    def _take_over(there: Node, node: Node, path: str) -> None:
        if node.kind is not Kind.DIRECTORY:
            raise TreeError(f"{path or '/'}: the root of a tree can only be a directory")
        there.meta = node.meta
        there.children.update(node.children)

    def _parent(self, names: list[str]) -> Node:
        here, start = self.root, 1
        # Parents are nearly always plain directories, which need no lookup from the root.
        while start < len(names):
            child = here.children.get(names[start - 1])
            if child is None or child.kind is not Kind.DIRECTORY:
                break
            here, start = child, start + 1
        for depth in range(start, len(names)):
            path = "/".join(names[:depth])
            found = self.find(path)
            if found is None:
                if self.find(path, follow=False) is not None:
                    raise TreeError(f"{path}: is a symbolic link that leads nowhere")
                found = directory(Meta(mode=0o755))
                here.children[names[depth - 1]] = found
            if found.kind is not Kind.DIRECTORY:
                raise TreeError(f"{path}: is not a directory, so it cannot hold '{names[depth]}'")
            here = found
        return here

    def link(self, path: str, existing: str) -> None:
        """Make *path* a hard link to the inode at *existing*. Raise TreeError if that is a directory."""
        node = self.lookup(existing, follow=False)
        if node.kind is Kind.DIRECTORY:
            raise TreeError(f"{existing}: a directory cannot have a second name")
        self.add(path, node)

    def remove(self, path: str) -> None:
        """Remove a link itself, or a directory with all in it. Raise TreeError if *path* does not exist."""
        names = parts_of(path)
        if not names:
            raise TreeError("the root of a tree cannot be removed")
        parent = self.lookup("/".join(names[:-1]))
        if parent.children.pop(names[-1], None) is None:
            raise TreeError(f"{path}: no such file in the tree (no '{names[-1]}')")

    def children(self, path: str) -> dict[str, Node]:
        """Return the entries of a directory, sorted by name. Raise TreeError for anything else."""
        node = self.lookup(path)
        if node.kind is not Kind.DIRECTORY:
            raise TreeError(f"{path}: is not a directory")
        return dict(sorted(node.children.items()))

    def walk(self, top: str = "") -> Iterator[tuple[str, Node]]:
        """Yield (path, node) for *top* and everything below, parents first, names in byte order.

        Do not follow links. Paths have no leading slash; the path of the root is the empty string.
        """
        start = "/".join(parts_of(top))
        stack = [(start, self.lookup(start, follow=False))]
        while stack:
            path, node = stack.pop()
            yield path, node
            for name in sorted(node.children, key=_name_bytes, reverse=True):
                stack.append((f"{path}/{name}" if path else name, node.children[name]))


def _name_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def sha256_of(content: Content) -> str:
    """Return the hexadecimal SHA-256 of a file's contents."""
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    return digest.hexdigest()
