"""A kernel as the cache keeps it: an uncompressed tar, laid out like Debian's package user-mode-linux.

/usr/bin/linux.uml is the program, /usr/lib/uml/modules/VERSION what belongs in /lib/modules/VERSION.
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from ssiuml.host.atomic import replacing
from ssiuml.host.cache import Entry
from ssiuml.kernel import KernelError
from ssiuml.kernel.modules import module_closure
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer, merge, read_layer, write_layer
from ssiuml.tree.tree import Kind, Node, Tree, TreeError

KIND: Final = "kernel"  # of the cache's entries
SUFFIX: Final = ".tar"
PROGRAM: Final = "usr/bin/linux.uml"
MODULES: Final = "usr/lib/uml/modules"
_MODULE: Final = re.compile(r"\.k?o(\.\w+)?$")  # also compressed; .o in Linux 2.4
_VERSION: Final = re.compile(r"\d+\.\d+[-.+~\w]*")


def version_of(tree: Tree, origin: Path) -> str:
    """The version of the kernel in *tree*; KernelError, with *origin*, if it holds none, or several."""
    try:
        versions = [name for name in tree.children(MODULES) if _VERSION.fullmatch(name)]
        tree.lookup(PROGRAM)
    except TreeError as error:
        raise KernelError(f"{origin}: is no user-mode-linux package: {error}") from error
    if len(versions) != 1:
        raise KernelError(f"{origin}: /{MODULES} should hold one kernel version, it holds {versions}")
    return versions[0]


def write_packed(path: Path, folder: Path, mtime_ns: int) -> None:
    """Write the cache's file at *path* from *folder*, laid out as it is to be; whatever its modes are."""
    layer = Layer()
    for name, node in read_folder_layer(folder, mtime_ns, Tree()).entries:
        mode = 0o755 if node.kind is Kind.DIRECTORY or name == PROGRAM else 0o644
        layer.add(
            name, Node(node.kind, replace(node.meta, mode=mode), node.content, node.target, node.device)
        )
    write_layer(path, layer)


def arrange(folder: Path, *, program: Path, config: Path, modules: Path) -> None:
    """Put a kernel that was built into the new *folder*, laid out as the cache keeps it.

    *program* is copied, *config*, with which it was built, too; *modules*, called as the version, is moved.
    """
    target = folder / MODULES / modules.name
    target.parent.mkdir(parents=True)
    modules.rename(target)
    for name in ("build", "source"):  # links to where it was built
        (target / name).unlink(missing_ok=True)
    shutil.copyfile(config, target / "config")
    (folder / PROGRAM).parent.mkdir(parents=True)
    shutil.copyfile(program, folder / PROGRAM)


def write_program(entry: Entry, target: Path) -> None:
    """Write the kernel as an executable file at *target*."""
    content = merge([read_layer(entry.path)]).lookup(PROGRAM).content
    if content is None:
        raise KernelError(f"{entry.path}: /{PROGRAM} is not a regular file")
    with replacing(target) as part:
        with part.open("wb") as stream:
            for chunk in content.chunks():
                stream.write(chunk)
        part.chmod(0o755)


def modules_layer(entry: Entry, wanted: list[str] | None) -> Layer:
    """The layer /lib/modules/VERSION: all modules, or those *wanted* by name with what they depend on."""
    tree = merge([read_layer(entry.path)])
    version = entry.facts["version"]
    source = f"{MODULES}/{version}"
    keep = None if wanted is None else set(module_closure(tree, source, wanted))
    layer = Layer()
    for path, node in tree.walk(source):
        name = path.removeprefix(f"{source}").lstrip("/")
        if keep is None or not _MODULE.search(name) or name in keep:
            layer.add(f"lib/modules/{version}/{name}", node)
    return layer
