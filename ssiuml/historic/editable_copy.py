"""A copy of a tree as a folder of the host, for programs that can only edit a folder.

The folder belongs to an ordinary user. Under fakeroot the programs see the owners, modes, attributes and
devices of the tree, and may change them. Their changes come back as a layer.

Links stay inside the folder: where the target of a link would lead a program out, to a file of the host, the
copy holds a relative link to the same place of the tree. A program can still make such a link itself and then
write through it, as in any folder.
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
from ssiuml.historic import file_states
from ssiuml.historic.fakeroot import fakeroot
from ssiuml.historic.file_states import FileState, parse_states
from ssiuml.host import files
from ssiuml.host.run import PLAIN_LANGUAGE, PLAIN_UMASK, run
from ssiuml.tree.layer import Layer, merge, read_layer, write_tree
from ssiuml.tree.tree import Kind, Node, Tree, TreeError, directory, sha256_of, symlink

# A tree of 300 MB takes some seconds; a busy machine may be twenty times slower.
COPY_TIMEOUT_S: Final = 600.0
CHANGES: Final = "changes.tar"
_SPACE_PER_NAME_BYTES: Final = 8192
# tar does not set attributes: when it does, fakeroot 1.31 forgets that a file is a regular file.
_TAR: Final = ("tar", "--numeric-owner", "--no-xattrs")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditableCopy:
    """A copy of *tree* as the folder *root*, and the states of its files before any program has run."""

    tree: Tree
    root: Path
    work: Path
    environ: Mapping[str, str]  # of fakeroot
    before: Mapping[str, FileState]
    start_ns: int  # by the clock of the file system; no file that a program writes later is older

    def run(self, argv: Sequence[str | Path], *, timeout_s: float, cwd: Path | None = None) -> str:
        """Run a program of the host that sees itself as root. Return its output.

        Raise CommandError, with the last lines of the output, if the program fails or takes too long.
        """
        environ = {**self.environ, **PLAIN_LANGUAGE}
        return run([*PLAIN_UMASK, *argv], timeout_s=timeout_s, cwd=cwd, env=environ)

    def changes(self, mtime_ns: int) -> Layer:
        """Return all changes since the copy was made, as a layer for the tree.

        The layer has the names that were added or removed, and the names whose contents, kind, mode, owner,
        attributes or time have changed. If one name of an inode has changed, all its names are in the layer.
        A file that a program has just written, or that is later than *mtime_ns*, gets the time *mtime_ns*:
        the same programs then give the same layer. The time of a folder counts only if a program has set it
        to an earlier time. The contents are in the file CHANGES in the work folder, which must stay until the
        layer is written. Raise SsiumlError for a socket.
        """
        after = _states(self.root, self.environ, self.work / "after.json")
        layer = Layer(removed=_removed(self.before, after))
        paths = self._possibly_changed(after)
        for path in paths:
            if stat.S_ISSOCK(after[path].mode):
                raise SsiumlError(f"/{path}: a program has left a socket there; no image can hold one")
        packed = self._pack(paths)
        nodes: dict[str, Node] = {}
        for names in _by_inode(after, paths):
            node = self._node_for_layer(names[0], packed.lookup(names[0], follow=False), after, mtime_ns)
            if not self._is_unchanged(names, node):
                nodes.update(dict.fromkeys(names, node))
        for path in sorted(nodes, key=os.fsencode):
            layer.add(path, nodes[path])
        return layer

    def _possibly_changed(self, after: Mapping[str, FileState]) -> set[str]:
        changed = {path for path, state in after.items() if self._may_differ(self.before.get(path), state)}
        inodes = {after[path].inode for path in changed if not stat.S_ISDIR(after[path].mode)}
        return changed | {path for path, state in after.items() if state.inode in inodes}

    def _may_differ(self, old: FileState | None, new: FileState) -> bool:
        if old is None or stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):
            return True
        if not stat.S_ISDIR(new.mode):
            return old != new
        # A new time of a folder only says that names in it came or went.
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
            env=self.environ,
        )
        return merge([read_layer(archive)])

    def _node_for_layer(self, path: str, node: Node, after: Mapping[str, FileState], mtime_ns: int) -> Node:
        """Return *node*, as tar packed it, with the time, attributes and link target for the tree."""
        old, new, original = self.before.get(path), after[path], self._original(path)
        time_ns, target = node.meta.mtime_ns, node.target
        if time_ns >= self.start_ns or time_ns > mtime_ns:
            time_ns = mtime_ns
        if old is not None and original is not None and original.kind is node.kind:
            names_came_or_went = node.kind is Kind.DIRECTORY and new.mtime_ns >= self.start_ns
            if names_came_or_went or old.mtime_ns == new.mtime_ns:
                time_ns = original.meta.mtime_ns
            if old.target == new.target:
                target = original.target
        xattrs = {name: bytes.fromhex(value) for name, value in new.xattrs.items()}
        meta = replace(node.meta, mtime_ns=time_ns, xattrs=xattrs)
        return Node(node.kind, meta, node.content, target, node.device)

    def _original(self, path: str) -> Node | None:
        # If a new folder has replaced a link of the tree, find would follow that link to another node.
        return self.tree.find(path, follow=False) if path in self.before else None

    def _is_unchanged(self, names: Sequence[str], node: Node) -> bool:
        originals = [self._original(name) for name in names]
        first = originals[0]
        if first is None or any(other is not first for other in originals):
            return False
        return (
            (first.kind, first.target, first.device) == (node.kind, node.target, node.device)
            # The mode of a symbolic link means nothing on Linux.
            and replace(first.meta, mode=0) == replace(node.meta, mode=0)
            and (node.kind is Kind.SYMLINK or first.meta.mode == node.meta.mode)
            and _same_content(first, node)
        )


@contextmanager
def editable_copy(tree: Tree, work: Path) -> Iterator[EditableCopy]:
    """Yield a copy of *tree* as a folder below *work*, which is emptied first and has one user at a time.

    The folder is removed when the block ends; *work* then holds CHANGES alone. Raise SsiumlError if the disk
    has too little room, CommandError if fakeroot or tar is missing or fails, and LayerError for a node that
    an archive cannot hold.
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
        with fakeroot() as environ:
            words = [*_TAR, "--extract", f"--file={archive}", f"--directory={root}"]
            options = ["--preserve-permissions", "--same-owner", "--warning=no-timestamp"]
            run([*words, *options], timeout_s=COPY_TIMEOUT_S, env=environ)
            archive.unlink()
            before = work / "before.json"
            yield EditableCopy(
                tree=tree,
                root=root,
                work=work,
                environ=environ,
                before=_states(root, environ, before, _attributes(tree)),
                start_ns=before.stat().st_mtime_ns,
            )
    finally:
        for path in work.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != CHANGES:
                path.unlink()


def _attributes(tree: Tree) -> bytes:
    """Return the extended attributes of every path, in the form that the program file_states reads."""
    every = {path: node.meta.xattrs for path, node in tree.walk() if node.meta.xattrs}
    values = {path: {key: value.hex() for key, value in xattrs.items()} for path, xattrs in every.items()}
    return json.dumps(values).encode()


def _states(
    root: Path, environ: Mapping[str, str], target: Path, attributes: bytes = b""
) -> dict[str, FileState]:
    words = [sys.executable, "-I", file_states.__file__, str(root)]
    run(words, timeout_s=COPY_TIMEOUT_S, env=environ, stdin=attributes, stdout=target)
    return parse_states(target.read_text(encoding="ascii"))


def _removed(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> list[str]:
    """Return the names that are gone, or that are now a folder and were none, or the reverse.

    Names below a returned name are left out.
    """
    gone: set[str] = set()
    for path in sorted(before, key=lambda name: name.count("/")):
        if _is_gone(before[path], after.get(path)) and not any(above in gone for above in _parents(path)):
            gone.add(path)
    return sorted(gone, key=os.fsencode)


def _is_gone(old: FileState, new: FileState | None) -> bool:
    # If neither is a folder, the new file replaces the old one, and the layer need not remove it.
    return new is None or stat.S_ISDIR(old.mode) != stat.S_ISDIR(new.mode)


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _by_inode(after: Mapping[str, FileState], paths: set[str]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for path in sorted(paths, key=os.fsencode):
        groups.setdefault(after[path].inode, []).append(path)
    return list(groups.values())


def _same_content(one: Node, other: Node) -> bool:
    if one.content is None or other.content is None:
        return one.content is other.content
    return one.size_bytes == other.size_bytes and sha256_of(one.content) == sha256_of(other.content)


def _with_links_inside(tree: Tree) -> Tree:
    """Return a copy of *tree* whose links stay inside the folder, wherever that lies."""
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
    # The place by the text alone, without following other links; '..' in the root stays in the root.
    plain = posixpath.normpath(f"/{above}/{target}" if not target.startswith("/") else target).lstrip("/")
    depth = len(path.split("/")) - 1
    try:
        real = tree.real_path(f"{above}/{target}" if not target.startswith("/") else target, follow=False)
    except TreeError:
        real = plain  # nothing is there yet
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
