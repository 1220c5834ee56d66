"""Kernel modules by name, with what they depend on: what depmod has written in a tree."""

import re
from pathlib import PurePosixPath

from ssiuml.kernel import KernelError
from ssiuml.tree.tree import Tree


def module_closure(tree: Tree, folder: str, wanted: list[str]) -> list[str]:
    """Paths below *folder* of the modules *wanted* and all they depend on, those that go first first.

    Source: modules.dep(5), written by depmod. KernelError names a module that is not there.
    """
    needs = read_modules_dep(tree, folder)
    # Those that were installed after depmod had run, such as OpenGFS's, follow what the kernel has listed.
    paths = {**_unlisted(tree, folder), **{module_name(path): path for path in needs}}
    closure: dict[str, None] = {}
    for name in wanted:
        path = paths.get(name.replace("-", "_"))
        if path is None:
            if f"/{name.replace('-', '_')}." in _builtin(tree, folder).replace("-", "_"):
                continue
            raise KernelError(f"/{folder}: there is no kernel module '{name}'")
        _close(path, needs, closure, set())
    for path in closure:
        if tree.find(f"{folder}/{path}") is None:
            raise KernelError(f"/{folder}: modules.dep names '{path}', which is not there")
    return list(closure)


def _unlisted(tree: Tree, folder: str) -> dict[str, str]:
    """Modules of Linux 2.4 below *folder*, by name; what they need is not known."""
    found = (path.removeprefix(f"{folder}/") for path, _ in tree.walk(folder) if path.endswith(".o"))
    return {module_name(path): path for path in found}


def _close(path: str, needs: dict[str, list[str]], closure: dict[str, None], above: set[str]) -> None:
    """Add *path* behind all that it needs; Linux 2.4's depmod names for each what it needs directly."""
    if path in closure or path in above:
        return
    for needed in reversed(needs.get(path, [])):
        _close(needed, needs, closure, above | {path})
    closure[path] = None


def read_modules_dep(tree: Tree, folder: str) -> dict[str, list[str]]:
    """What each module's path depends on, from modules.dep; the nearest first, as depmod writes it."""
    needs = {}
    text = tree.lookup(f"{folder}/modules.dep").read().decode(errors="surrogateescape")
    # Linux 2.4's depmod writes absolute paths, and goes on in the next line behind a backslash.
    for line in text.replace("\\\n", " ").splitlines():
        path, _, rest = line.partition(":")
        if path.strip():
            needs[_inside(path.strip())] = [_inside(each) for each in rest.split()]
    return needs


def _inside(path: str) -> str:
    """A path below /lib/modules/VERSION, as modules.dep of today has it."""
    return re.sub(r"^/lib/modules/[^/]+/", "", path)


def _builtin(tree: Tree, folder: str) -> str:
    node = tree.find(f"{folder}/modules.builtin")
    return node.read().decode(errors="surrogateescape") if node is not None else ""


def module_name(path: str) -> str:
    """A module's name from its path: 'kernel/fs/gfs2/gfs2.ko' is 'gfs2' (dashes count as underscores).

    Modules of Linux 2.4 end in .o.
    """
    return PurePosixPath(path).name.partition(".ko")[0].removesuffix(".o").replace("-", "_")
