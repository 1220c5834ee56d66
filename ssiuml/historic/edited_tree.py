"""A tree as a folder of the host, for programs that can do nothing else than edit one.

The folder belongs to an ordinary user; under fakeroot the programs see the owners, modes, attributes and
devices of the tree and may change them. What they have changed comes back as a layer.

Links are kept in the folder: where a link's target would lead a program out of it, to a file of the host,
the copy holds a relative one to the same place of the tree. A program that makes such a link itself, and
then writes through it, does what it would do to any folder.
"""

import json
import os
import posixpath
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.historic import inventory
from ssiuml.historic.fakeroot import fakeroot
from ssiuml.historic.inventory import Record, parse_inventory
from ssiuml.host import files
from ssiuml.host.run import PLAIN_LANGUAGE, PLAIN_UMASK, run
from ssiuml.tree.layer import Layer, merge, read_layer, write_tree
from ssiuml.tree.tree import Kind, Node, Tree, TreeError, directory, sha256_of, symlink

# A tree of 300 MB takes some seconds; a busy machine may be twenty times slower.
COPY_TIMEOUT_S: Final = 600.0
CHANGES: Final = "changes.tar"
_SPACE_PER_NAME_BYTES: Final = 8192
# No attributes: setting them, tar makes fakeroot forget that a file is a file (1.31).
_TAR: Final = ("tar", "--numeric-owner", "--no-xattrs")


class MaterialiseError(SsiumlError):
    """A program has left something in the folder that cannot go into an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialised:
    """A tree as the folder *root*, with what it was when it was fresh."""

    tree: Tree
    root: Path
    work: Path
    world: Mapping[str, str]
    before: Mapping[str, Record]
    start_ns: int  # of the file system's clock; whatever a program writes is not older

    def run(self, argv: Sequence[str | Path], *, timeout_s: float, cwd: Path | None = None) -> str:
        """Run a program on the host that sees itself as root; return what it printed.

        CommandError, with its last lines, if it fails or takes too long.
        """
        return run([*PLAIN_UMASK, *argv], timeout_s=timeout_s, cwd=cwd, env={**self.world, **PLAIN_LANGUAGE})

    def changes(self, mtime_ns: int) -> Layer:
        """What has changed since the folder was made, as a layer for the tree.

        Added and removed names, and names whose contents, kind, mode, owner, attributes or time have
        changed. What a program has just written, and all that is later than *mtime_ns*, gets that time, so
        that the same programs give the same layer. Names of one inode go in together. A folder's time
        counts only where somebody has set it back. The contents lie in CHANGES in the work folder and have to
        stay there until the layer is written. MaterialiseError for a socket.
        """
        after = _take_inventory(self.root, self.world, self.work / "after.json")
        layer = Layer(removed=_removed(self.before, after))
        suspects = self._suspects(after)
        for path in suspects:
            if stat.S_ISSOCK(after[path].mode):
                raise MaterialiseError(f"/{path}: a program has left a socket there; no image can hold one")
        packed = self._pack(suspects)
        nodes: dict[str, Node] = {}
        for names in _by_inode(after, suspects):
            node = self._restored(names[0], packed.lookup(names[0], follow=False), after, mtime_ns)
            if not self._is_as_before(names, node):
                nodes.update(dict.fromkeys(names, node))
        for path in sorted(nodes, key=os.fsencode):
            layer.add(path, nodes[path])
        return layer

    def _suspects(self, after: Mapping[str, Record]) -> set[str]:
        changed = {path for path, record in after.items() if self._may_differ(self.before.get(path), record)}
        inodes = {after[path].inode for path in changed if not stat.S_ISDIR(after[path].mode)}
        return changed | {path for path, record in after.items() if record.inode in inodes}

    def _may_differ(self, old: Record | None, new: Record) -> bool:
        if old is None or stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):
            return True
        if not stat.S_ISDIR(new.mode):
            return old != new
        # Where the time is new, names in it came or went.
        mtime_ns = old.mtime_ns if new.mtime_ns >= self.start_ns else new.mtime_ns
        return old != new._replace(mtime_ns=mtime_ns, ctime_ns=old.ctime_ns, inode=old.inode)

    def _pack(self, paths: set[str]) -> Tree:
        names, archive = self.work / "names", self.work / CHANGES
        names.write_bytes(b"".join(os.fsencode(f"./{path}\0") for path in sorted(paths)))
        run(
            [
                *_TAR,
                "--create",
                f"--file={archive}",
                f"--directory={self.root}",
                "--format=posix",
                "--no-recursion",
                "--null",
                "--verbatim-files-from",
                f"--files-from={names}",
            ],
            timeout_s=COPY_TIMEOUT_S,
            env=self.world,
        )
        return merge([read_layer(archive)])

    def _restored(self, path: str, node: Node, after: Mapping[str, Record], mtime_ns: int) -> Node:
        """The node as the tree is to have it: with its time, its attributes, and the target it really had."""
        old, new, there = self.before.get(path), after[path], self._was(path)
        time_ns, target = node.meta.mtime_ns, node.target
        if time_ns >= self.start_ns or time_ns > mtime_ns:
            time_ns = mtime_ns
        if old is not None and there is not None and there.kind is node.kind:
            names_came_or_went = node.kind is Kind.DIRECTORY and new.mtime_ns >= self.start_ns
            if names_came_or_went or old.mtime_ns == new.mtime_ns:
                time_ns = there.meta.mtime_ns
            if old.target == new.target:
                target = there.target
        xattrs = {name: bytes.fromhex(value) for name, value in new.xattrs.items()}
        meta = replace(node.meta, mtime_ns=time_ns, xattrs=xattrs)
        return Node(node.kind, meta, node.content, target, node.device)

    def _was(self, path: str) -> Node | None:
        # A new folder may stand where the tree has a link: what that leads to is something else.
        return self.tree.find(path, follow=False) if path in self.before else None

    def _is_as_before(self, names: Sequence[str], node: Node) -> bool:
        there = [self._was(name) for name in names]
        first = there[0]
        if first is None or any(other is not first for other in there):
            return False
        return (
            (first.kind, first.target, first.device) == (node.kind, node.target, node.device)
            # A link's own mode means nothing on Linux.
            and replace(first.meta, mode=0) == replace(node.meta, mode=0)
            and (node.kind is Kind.SYMLINK or first.meta.mode == node.meta.mode)
            and _same_content(first, node)
        )


@contextmanager
def materialised(tree: Tree, work: Path) -> Iterator[Materialised]:
    """Yield *tree* as a folder below *work*, which is emptied first and has one user at a time.

    The folder goes with the block; *work* then holds CHANGES alone. SsiumlError if the disk is too full,
    CommandError if fakeroot or tar is missing or fails, LayerError for what no archive can hold.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o700)
    root, archive = work / "root", work / "tree.tar"
    try:
        nodes = {id(node): node for _, node in tree.walk()}
        needed = 2 * sum(_SPACE_PER_NAME_BYTES + node.size_bytes for node in nodes.values())
        files.require_space(work, needed, "the tree as a folder")
        write_tree(archive, _with_links_inside(tree))
        root.mkdir()
        with fakeroot() as world:
            words = [*_TAR, "--extract", f"--file={archive}", f"--directory={root}"]
            options = ["--preserve-permissions", "--same-owner", "--warning=no-timestamp"]
            run([*words, *options], timeout_s=COPY_TIMEOUT_S, env=world)
            archive.unlink()
            before = work / "before.json"
            yield Materialised(
                tree=tree,
                root=root,
                work=work,
                world=world,
                before=_take_inventory(root, world, before, _attributes(tree)),
                start_ns=before.stat().st_mtime_ns,
            )
    finally:
        for path in work.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != CHANGES:
                path.unlink()


def _attributes(tree: Tree) -> bytes:
    """Every path's extended attributes, as the inventory takes and gives them."""
    every = {path: node.meta.xattrs for path, node in tree.walk() if node.meta.xattrs}
    values = {path: {key: value.hex() for key, value in xattrs.items()} for path, xattrs in every.items()}
    return json.dumps(values).encode()


def _take_inventory(
    root: Path, world: Mapping[str, str], target: Path, attributes: bytes = b""
) -> dict[str, Record]:
    words = [sys.executable, "-I", inventory.__file__, str(root)]
    run(words, timeout_s=COPY_TIMEOUT_S, env=world, stdin=attributes, stdout=target)
    return parse_inventory(target.read_text(encoding="ascii"))


def _removed(before: Mapping[str, Record], after: Mapping[str, Record]) -> list[str]:
    """Names that are gone, were folders or became some; not those in a folder that is itself among them."""
    gone: set[str] = set()
    for path in sorted(before, key=lambda name: name.count("/")):
        if _is_gone(before[path], after.get(path)) and not any(above in gone for above in _parents(path)):
            gone.add(path)
    return sorted(gone, key=os.fsencode)


def _is_gone(old: Record, new: Record | None) -> bool:
    # Of two things that are no folders the later one replaces the other.
    return new is None or stat.S_ISDIR(old.mode) != stat.S_ISDIR(new.mode)


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _by_inode(after: Mapping[str, Record], paths: set[str]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for path in sorted(paths, key=os.fsencode):
        groups.setdefault(after[path].inode, []).append(path)
    return list(groups.values())


def _same_content(one: Node, other: Node) -> bool:
    if one.content is None or other.content is None:
        return one.content is other.content
    return one.size_bytes == other.size_bytes and sha256_of(one.content) == sha256_of(other.content)


def _with_links_inside(tree: Tree) -> Tree:
    """The same tree with links that stay in a folder, wherever it lies."""
    copy = Tree(tree.root.meta)
    for path, node in tree.walk():
        if node.kind is Kind.DIRECTORY:
            copy.add(path, directory(node.meta))
        elif node.kind is Kind.SYMLINK and (target := _target_inside(tree, path, node)) != node.target:
            copy.add(path, symlink(target, node.meta))
        else:
            copy.add(path, node)
    return copy


def _target_inside(tree: Tree, path: str, link: Node) -> str:
    target = link.target or ""
    above = posixpath.dirname(path)
    # Where the text alone leads; '..' in the root stays there.
    plain = posixpath.normpath(f"/{above}/{target}" if not target.startswith("/") else target).lstrip("/")
    depth = len(path.split("/")) - 1
    try:
        real = tree.real_path(f"{above}/{target}" if not target.startswith("/") else target, follow=False)
    except TreeError:
        real = plain  # leads nowhere, now
    if not target.startswith("/") and real == plain and _stays_inside(target, depth):
        return target
    return "../" * depth + real or "."


def _stays_inside(target: str, depth: int) -> bool:
    for name in target.split("/"):
        if name not in ("", "."):
            depth += -1 if name == ".." else 1
        if depth < 0:
            return False
    return True
