"""The node's kernel ``linux-ssi`` and its modules, out of Debian's user-mode-linux package."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

from ssiuml.atomic import replacing
from ssiuml.cache import Cache, Entry
from ssiuml.errors import SsiumlError
from ssiuml.layer import Layer, merge, read_layer
from ssiuml.run import run
from ssiuml.sparse import require_space
from ssiuml.steps import Values, file_sha256
from ssiuml.tree import Tree, TreeError

PROGRAM: Final = "usr/bin/linux.uml"
MODULES: Final = "usr/lib/uml/modules"
TIMEOUT_S: Final = 600.0
SPACE_NEEDED_BYTES: Final = 256 << 20
_MODULE: Final = re.compile(r"\.ko(\.\w+)?$")  # also compressed
_VERSION: Final = re.compile(r"\d+\.\d+[-.+~\w]*")


class KernelError(SsiumlError):
    """A kernel package or its modules are not as expected."""


def unpack(cache: Cache, package: Path) -> Entry:
    """Unpack a kernel .deb to an uncompressed tar in the cache; facts hold the kernel ``version``."""

    def make(path: Path) -> Values:
        require_space(path.parent, SPACE_NEEDED_BYTES, "unpacking the kernel package")
        with replacing(path) as part:
            run(["dpkg-deb", "--fsys-tarfile", package], timeout_s=TIMEOUT_S, stdout=part)
            return {"version": _version(merge([read_layer(part)]), package)}

    return cache.get_or_make("kernel", inputs(file_sha256(package)), ".tar", make)


def inputs(package_sha256: str) -> dict[str, str]:
    """What an unpacked kernel package is kept under in the cache."""
    return {"package_sha256": package_sha256}


def _version(tree: Tree, package: Path) -> str:
    try:
        versions = [name for name in tree.children(MODULES) if _VERSION.fullmatch(name)]
        tree.lookup(PROGRAM)
    except TreeError as error:
        raise KernelError(f"{package}: is no user-mode-linux package: {error}") from error
    if len(versions) != 1:
        raise KernelError(f"{package}: /{MODULES} should hold one kernel version, it holds {versions}")
    return versions[0]


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


def module_closure(tree: Tree, folder: str, wanted: list[str]) -> list[str]:
    """Paths below *folder* of the modules *wanted* and all they depend on, those that go first first.

    Source: modules.dep(5), written by depmod. KernelError names a module that is not there.
    """
    needs = read_modules_dep(tree, folder)
    paths = {module_name(path): path for path in needs}
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
