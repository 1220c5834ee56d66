"""A tree as files in a folder, for programs that only know how to edit a folder; their changes are a layer.

Nothing here needs root: within one session of fakeroot the tree is unpacked, the program runs, and the result
is packed again, so that owners, set-id bits and device nodes are what the program believes them to be.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from ssiuml.layer import Layer, merge, read_layer, write_tree
from ssiuml.run import run
from ssiuml.sparse import require_space
from ssiuml.tree import Content, Kind, Node, Tree

# The names of all files are arguments, none is part of the script. Extended attributes stay out: an ordinary
# user may not set most of them, and what is not changed keeps those that it has.
_SCRIPT: Final = """\
set -e
archive=$1 folder=$2 result=$3
shift 3
tar --extract --file "$archive" --directory "$folder" --preserve-permissions --numeric-owner
"$@"
tar --create --format=pax --file "$result" --directory "$folder" --numeric-owner --sort=name .
"""


@contextmanager
def changes_of(
    tree: Tree, words: Sequence[str | Path], *, folder: Path, work: Path, mtime_ns: int, timeout_s: float
) -> Iterator[Layer]:
    """Run a program on *tree*, unpacked in *folder* below *work*, and yield what it changed as a layer.

    Both folders are emptied before and afterwards; the layer's contents are there as long as the context.
    What the program has written gets no later time than *mtime_ns*, and folders whose contents alone changed
    keep theirs: the same program gives the same layer on every day. Raises CommandError, with the last lines
    of its output, if the program fails or takes longer than *timeout_s*, SpaceError if the disk is too full.
    """
    archive, result = work / "before.tar", work / "after.tar"
    shutil.rmtree(work, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        write_tree(archive, tree)
        require_space(work, 2 * archive.stat().st_size, "a copy of the tree as files")
        script = ["fakeroot", "--", "sh", "-c", _SCRIPT, "sh", archive, folder, result, *words]
        run(script, timeout_s=timeout_s)
        shutil.rmtree(folder)
        yield difference(tree, merge([read_layer(result)]), mtime_ns)
    finally:
        _remove(work)


def _remove(folder: Path) -> None:
    """Remove a folder, also one in which a program has left folders that may not be written."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink() and path.stat().st_mode & 0o700 != 0o700:
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def difference(before: Tree, after: Tree, mtime_ns: int) -> Layer:
    """The layer that makes *after* out of *before*; see changes_of for times."""
    layer = Layer()
    old = dict(before.walk())
    old_names, new_names = _names_by_node(before), _names_by_node(after)
    gone: list[str] = []
    for path, node in old.items():
        there = after.find(path, follow=False)
        below_gone = any(path.startswith(f"{top}/") for top in gone[-1:])
        if not below_gone and (there is None or _must_go_first(node, there)):
            gone.append(path)
    layer.removed = gone
    changed = {
        id(node)
        for path, node in after.walk()
        if path not in old
        or any(path == top or path.startswith(f"{top}/") for top in gone)
        or not _is_same(old[path], node)
        or (node.kind is not Kind.DIRECTORY and old_names[id(old[path])] != new_names[id(node)])
    }
    made: dict[int, Node] = {}
    for path, node in after.walk():
        if id(node) in changed:
            if id(node) not in made:
                made[id(node)] = _clamped(node, old.get(path), mtime_ns)
            layer.add(path, made[id(node)])
    return layer


def _must_go_first(old: Node, new: Node) -> bool:
    """Whether the one cannot be laid over the other: a folder over a file, or the other way round."""
    return (old.kind is Kind.DIRECTORY) != (new.kind is Kind.DIRECTORY)


def _names_by_node(tree: Tree) -> dict[int, frozenset[str]]:
    names: dict[int, set[str]] = {}
    for path, node in tree.walk():
        names.setdefault(id(node), set()).add(path)
    return {number: frozenset(paths) for number, paths in names.items()}


def _is_same(old: Node, new: Node) -> bool:
    kept = replace(old.meta, xattrs={}, mtime_ns=0), replace(new.meta, xattrs={}, mtime_ns=0)
    if old.kind is not new.kind or kept[0] != kept[1]:
        return False
    if old.kind is Kind.DIRECTORY:
        return True
    if old.kind is Kind.SYMLINK:
        return old.target == new.target
    if old.meta.mtime_ns != new.meta.mtime_ns or old.device != new.device:
        return False
    return old.content is None or new.content is None or _same_bytes(old.content, new.content)


def _same_bytes(old: Content, new: Content) -> bool:
    if old.size_bytes != new.size_bytes:
        return False
    # Both lie in files that are read in pieces of the same size.
    return all(one == other for one, other in zip(old.chunks(), new.chunks(), strict=True))


def _clamped(node: Node, old: Node | None, mtime_ns: int) -> Node:
    time_ns = min(node.meta.mtime_ns, mtime_ns)
    if node.kind is Kind.DIRECTORY and old is not None and old.kind is Kind.DIRECTORY:
        time_ns = old.meta.mtime_ns
    meta = replace(node.meta, mtime_ns=time_ns)
    return Node(node.kind, meta, content=node.content, target=node.target, device=node.device)
