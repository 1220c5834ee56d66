"""Kernel modules by name, and their dependencies, as depmod has written them into a tree."""

import re
from pathlib import PurePosixPath

from ssiuml.errors import SsiumlError
from ssiuml.tree.tree import Tree


def module_closure(tree: Tree, folder: str, wanted: list[str]) -> list[str]:
    """Return the paths below *folder* of the modules *wanted* and all that they depend on, in load order.

    Modules that are built into the kernel are left out. Raise SsiumlError if a module is missing.
    Source: modules.dep(5), written by depmod.
    """
    needs = read_modules_dep(tree, folder)
    # Modules that were installed after depmod had run, such as OpenGFS's. Those that depmod listed take
    # precedence.
    paths = {**_unlisted(tree, folder), **{module_name(path): path for path in needs}}
    closure: dict[str, None] = {}
    for name in wanted:
        path = paths.get(name.replace("-", "_"))
        if path is None:
            if f"/{name.replace('-', '_')}." in _builtin(tree, folder).replace("-", "_"):
                continue
            raise SsiumlError(f"/{folder}: there is no kernel module '{name}'")
        _close(path, needs, closure, set())
    for path in closure:
        if tree.find(f"{folder}/{path}") is None:
            raise SsiumlError(f"/{folder}: modules.dep names '{path}', which is not there")
    return list(closure)


def _unlisted(tree: Tree, folder: str) -> dict[str, str]:
    """Return the modules of Linux 2.4 below *folder* by name. Their dependencies are not known."""
    found = (path.removeprefix(f"{folder}/") for path, _ in tree.walk(folder) if path.endswith(".o"))
    return {module_name(path): path for path in found}


def _close(path: str, needs: dict[str, list[str]], closure: dict[str, None], above: set[str]) -> None:
    """Add *path* behind all that it needs. Linux 2.4's depmod lists direct dependencies only."""
    if path in closure or path in above:
        return
    for needed in reversed(needs.get(path, [])):
        _close(needed, needs, closure, above | {path})
    closure[path] = None


def read_modules_dep(tree: Tree, folder: str) -> dict[str, list[str]]:
    """Return the dependencies of each module's path from modules.dep, the nearest first, as depmod does."""
    needs = {}
    text = tree.lookup(f"{folder}/modules.dep").read().decode(errors="surrogateescape")
    # Linux 2.4's depmod writes absolute paths, and continues a line behind a backslash.
    for line in text.replace("\\\n", " ").splitlines():
        path, _, rest = line.partition(":")
        if path.strip():
            needs[_inside(path.strip())] = [_inside(each) for each in rest.split()]
    return needs


def _inside(path: str) -> str:
    """Return *path* relative to /lib/modules/VERSION, as in a modules.dep of today."""
    return re.sub(r"^/lib/modules/[^/]+/", "", path)


def _builtin(tree: Tree, folder: str) -> str:
    node = tree.find(f"{folder}/modules.builtin")
    return node.read().decode(errors="surrogateescape") if node is not None else ""


def module_name(path: str) -> str:
    """Return a module's name: 'gfs2' for 'kernel/fs/gfs2/gfs2.ko'. Dashes become underscores.

    The names of modules of Linux 2.4 end in .o.
    """
    return PurePosixPath(path).name.partition(".ko")[0].removesuffix(".o").replace("-", "_")
