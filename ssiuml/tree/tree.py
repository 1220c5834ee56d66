"""A file tree in memory: names, inodes, and where the bytes of each file lie.

A tree holds no file contents. A regular file's inode names the place of its bytes (an extent of a
tar archive, a file of the host, or a short literal), and whoever writes the tree out streams them.

Paths are those of the tree: POSIX, relative to its root, with or without a leading slash. Names are
``str`` with undecodable bytes as surrogates (PEP 383), so that every byte string is a possible name.
Lookups follow symbolic links the way a process chrooted into the tree would: an absolute target
starts at the tree's root and ``..`` in the root stays there, so no lookup can leave the tree.
"""

import enum
import hashlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES

# Linux's limit (MAXSYMLINKS) on links followed in one lookup.
MAX_SYMLINKS = 40


class TreeError(SsiumlError):
    """A path does not exist in the tree, or does not have the kind that the operation needs."""


class Kind(enum.Enum):
    """What an inode is; the values are the type letters of ``find -printf %y`` and ``ls -l``."""

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
    """What an inode with this st_mode is (inode(7), S_IFMT); None if its format is unknown."""
    return _KIND_OF_FORMAT.get(stat.S_IFMT(mode))


def format_of_kind(kind: Kind) -> int:
    """The bits of an st_mode that say what an inode is."""
    return _FORMAT_OF_KIND[kind]


class SupportsRead(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


class Content(Protocol):
    """Where the bytes of a regular file lie."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order, in pieces of at most CHUNK_BYTES."""
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

    *path* may be a string: for ten thousand files it takes as long to make Paths as to open them.
    """

    path: Path | str
    offset_bytes: int
    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        with open(self.path, "rb", buffering=0) as stream:  # noqa: PTH123 - see path
            stream.seek(self.offset_bytes)
            yield from read_exactly(stream, self.size_bytes, str(self.path))


def whole_file(path: Path) -> Extent:
    """The contents of a file of the host; OSError if it is not there."""
    return Extent(path, 0, path.stat().st_size)


def read_exactly(stream: SupportsRead, size_bytes: int, name: str) -> Iterator[bytes]:
    """Yield *size_bytes* bytes of *stream*; TreeError if it ends before that."""
    left = size_bytes
    while left:
        chunk = stream.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise TreeError(f"{name}: ends {left} bytes before it should")
        left -= len(chunk)
        yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What an inode carries besides its kind and contents."""

    mode: int  # permission bits, set-id and sticky bits included (0o7777)
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Node:
    """One inode. Several names (hard links) share one Node; only a directory's children ever change.

    ``target`` belongs to symbolic links, ``device`` (major, minor) to devices, ``content`` to files.
    """

    kind: Kind
    meta: Meta
    content: Content | None = None
    target: str | None = None
    device: tuple[int, int] | None = None
    children: dict[str, "Node"] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Size of a file's contents; 0 for every other kind."""
        return self.content.size_bytes if self.content is not None else 0

    def read(self) -> bytes:
        """Return a regular file's contents; for files known to be small."""
        if self.content is None:
            raise TreeError(f"only a regular file has contents, this is of kind '{self.kind.value}'")
        return b"".join(self.content.chunks())


def file(content: Content, meta: Meta) -> Node:
    return Node(Kind.FILE, meta, content=content)


def directory(meta: Meta) -> Node:
    return Node(Kind.DIRECTORY, meta)


def symlink(target: str, meta: Meta | None = None) -> Node:
    return Node(Kind.SYMLINK, meta or Meta(mode=0o777), target=target)


def parts_of(path: str | PurePosixPath) -> list[str]:
    """Split a tree path into its names, without empty ones and without '.'."""
    return [part for part in str(path).split("/") if part not in ("", ".")]


class Tree:
    """A mutable tree of nodes. Steps build a new one by merging layers; see ssiuml.tree.layer."""

    def __init__(self, root: Meta | None = None) -> None:
        self.root = directory(root or Meta(mode=0o755))

    def find(self, path: str, *, follow: bool = True) -> Node | None:
        """Return the node at *path*, or None. *follow*: a link as last name is followed too."""
        try:
            return self.lookup(path, follow=follow)
        except TreeError:
            return None

    def lookup(self, path: str, *, follow: bool = True) -> Node:
        """Return the node at *path*; TreeError if there is none, or the links run in a circle."""
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
        """Put *node* at *path*, in place of a file or link there; its parent is looked up through links.

        A directory laid over a directory (or over a link to one) keeps the children and takes the new
        metadata, as unpacking an archive does. Missing parents are made, 0755 and owned by root.
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
            raise TreeError(f"{path}: a directory that is not empty is there; it has to be removed first")
        parent.children[names[-1]] = node

    def _linked_directory(self, path: str, old: Node) -> Node | None:
        """The directory that the link *old* at *path* leads to, if it does."""
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
        # Plain directories, nearly always: no lookup from the root for every name.
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
        """Make *path* a further name (hard link) of the inode at *existing*."""
        node = self.lookup(existing, follow=False)
        if node.kind is Kind.DIRECTORY:
            raise TreeError(f"{existing}: a directory cannot have a second name")
        self.add(path, node)

    def remove(self, path: str) -> None:
        """Remove what is at *path* (a link itself, a directory with all in it); TreeError if nothing is."""
        names = parts_of(path)
        if not names:
            raise TreeError("the root of a tree cannot be removed")
        parent = self.lookup("/".join(names[:-1]))
        if parent.children.pop(names[-1], None) is None:
            raise TreeError(f"{path}: no such file in the tree (no '{names[-1]}')")

    def children(self, path: str) -> dict[str, Node]:
        """The entries of the directory at *path*, sorted by name; TreeError if it is none."""
        node = self.lookup(path)
        if node.kind is not Kind.DIRECTORY:
            raise TreeError(f"{path}: is not a directory")
        return dict(sorted(node.children.items()))

    def walk(self, top: str = "") -> Iterator[tuple[str, Node]]:
        """Yield (path, node) of *top* and everything below, parents first, names in byte order.

        Links are not followed. Paths have no leading slash; the root's own path is the empty string.
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
    """Hexadecimal SHA-256 of a file's contents."""
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    return digest.hexdigest()
