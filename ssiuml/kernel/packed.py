"""Packed kernels: an uncompressed tar in the cache, laid out like Debian's package user-mode-linux.

/usr/bin/linux.uml is the program; /usr/lib/uml/modules/VERSION becomes /lib/modules/VERSION of the root.
"""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache, Entry, Key
from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.files import replacing, require_space
from ssiuml.host.run import run
from ssiuml.kernel.modules import module_closure
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer, merge, read_layer, write_layer
from ssiuml.tree.tree import Kind, Node, Tree, TreeError

KIND: Final = "kernel"  # of the cache's entries
SUFFIX: Final = ".tar"
PROGRAM: Final = "usr/bin/linux.uml"
MODULES: Final = "usr/lib/uml/modules"
UNPACK_TIMEOUT_S: Final = 600.0
SPACE_NEEDED_BYTES: Final = 256 << 20
_MODULE: Final = re.compile(r"\.k?o(\.\w+)?$")  # also compressed; .o in Linux 2.4
_VERSION: Final = re.compile(r"\d+\.\d+[-.+~\w]*")


def unpack_package(cache: Cache, package: Path) -> Entry:
    """Return the kernel of Debian's *package* from the cache, unpacked if it is not there.

    The entry's facts hold the kernel ``version``. Raise CommandError or LayerError if the package is damaged,
    SsiumlError if it is another package or the disk is too full.
    """

    def make(path: Path) -> Values:
        require_space(path.parent, SPACE_NEEDED_BYTES, "unpacking the kernel package")
        with replacing(path) as part:
            run(["dpkg-deb", "--fsys-tarfile", package], timeout_s=UNPACK_TIMEOUT_S, stdout=part)
            return {"version": _version_in(merge([read_layer(part)]), package)}

    inputs = {"package_sha256": file_sha256(package)}
    return cache.get_or_make(Key(kind=KIND, inputs=inputs, suffix=SUFFIX, module=__name__), make)


def _version_in(tree: Tree, package: Path) -> str:
    try:
        versions = [name for name in tree.children(MODULES) if _VERSION.fullmatch(name)]
        tree.lookup(PROGRAM)
    except TreeError as error:
        raise SsiumlError(f"{package}: is no user-mode-linux package: {error}") from error
    if len(versions) != 1:
        raise SsiumlError(f"{package}: /{MODULES} should hold one kernel version, it holds {versions}")
    return versions[0]


def write_packed(path: Path, folder: Path, mtime_ns: int) -> None:
    """Write the packed kernel *path* from *folder*, which has its layout. Modes are those of a package."""
    layer = Layer()
    for name, node in read_folder_layer(folder, mtime_ns, Tree()).entries:
        mode = 0o755 if node.kind is Kind.DIRECTORY or name == PROGRAM else 0o644
        layer.add(
            name, Node(node.kind, replace(node.meta, mode=mode), node.content, node.target, node.device)
        )
    write_layer(path, layer)


def arrange(folder: Path, *, program: Path, config: Path, modules: Path) -> None:
    """Arrange a kernel that was built in the new *folder*, in the layout of a packed kernel.

    *program* and *config*, its configuration, are copied. The folder *modules*, which has the version as its
    name, is moved.
    """
    target = folder / MODULES / modules.name
    target.parent.mkdir(parents=True)
    modules.rename(target)
    for name in ("build", "source"):  # links into the source tree
        (target / name).unlink(missing_ok=True)
    shutil.copyfile(config, target / "config")
    (folder / PROGRAM).parent.mkdir(parents=True)
    shutil.copyfile(program, folder / PROGRAM)


def write_program(entry: Entry, target: Path) -> None:
    """Write the kernel as an executable file at *target*."""
    content = merge([read_layer(entry.path)]).lookup(PROGRAM).content
    if content is None:
        raise SsiumlError(f"{entry.path}: /{PROGRAM} is not a regular file")
    with replacing(target) as part:
        with part.open("wb") as stream:
            for chunk in content.chunks():
                stream.write(chunk)
        part.chmod(0o755)


def modules_layer(entry: Entry, wanted: list[str] | None) -> Layer:
    """Return the layer /lib/modules/VERSION with all modules, or with those *wanted* and their dependencies.

    Raise SsiumlError if one of *wanted* is missing.
    """
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
