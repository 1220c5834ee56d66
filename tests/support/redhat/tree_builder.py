"""Builds trees of root images name by name, with times of their era."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from redhat.dates import RED_HAT_S, stamp_ns
from redhat.elf32 import program
from ssiuml.tree.tree import Content, Kind, Literal, Meta, Node, Tree, directory, file, symlink


@dataclass(frozen=True)
class TreeBuilder:
    """A tree that grows by one name a call. Missing folders are added with mode 0755; they belong to root."""

    newest_s: int = RED_HAT_S
    tree: Tree = field(default_factory=Tree)

    def __post_init__(self) -> None:
        self.tree.root.meta = self._meta("", 0o755, 0, 0)

    def folder(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        self._put(path, directory(self._meta(path, mode, uid, gid)))

    def file(
        self, path: str, data: bytes | str | Content, mode: int = 0o644, uid: int = 0, gid: int = 0
    ) -> None:
        if isinstance(data, str):
            data = data.encode()
        content = Literal(data) if isinstance(data, bytes) else data
        self._put(path, file(content, self._meta(path, mode, uid, gid)))

    def program(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        """Add a program for 32-bit PCs, with bytes of its own."""
        self.file(path, program(path), mode, uid, gid)

    def script(self, path: str, text: str, mode: int = 0o755) -> None:
        self.file(path, text, mode)

    def symlink(self, path: str, target: str) -> None:
        self._put(path, symlink(target, self._meta(path, 0o777, 0, 0)))

    def hard_link(self, path: str, existing: str) -> None:
        self._put(path, self.tree.lookup(existing, follow=False))

    def device(
        self, path: str, kind: str, major: int, minor: int, mode: int = 0o660, uid: int = 0, gid: int = 0
    ) -> None:
        self._put(path, Node(Kind(kind), self._meta(path, mode, uid, gid), device=(major, minor)))

    def special(self, path: str, kind: Kind, mode: int) -> None:
        """Add a FIFO or a socket."""
        self._put(path, Node(kind, self._meta(path, mode, 0, 0)))

    def _put(self, path: str, node: Node) -> None:
        parent = str(PurePosixPath(path).parent)
        if parent not in (".", "/") and self.tree.find(parent) is None:
            self.folder(parent)
        self.tree.add(path, node)

    def _meta(self, path: str, mode: int, uid: int, gid: int) -> Meta:
        return Meta(mode=mode, uid=uid, gid=gid, mtime_ns=stamp_ns(path, self.newest_s))
