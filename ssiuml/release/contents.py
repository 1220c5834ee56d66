"""Write the files of the three tarballs: root, kernel and utils."""

import gzip
import itertools
import os
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ssiuml import manifest
from ssiuml.errors import SsiumlError
from ssiuml.host.code import code_of, foreign_packages
from ssiuml.host.installation import HOME
from ssiuml.kernel import packed
from ssiuml.release.component import Component
from ssiuml.release.vendored import Wheel
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Kind, Node, Tree
from ssiuml.units import format_size

# ssi-image map imports it only to write a PNG, and says so if it is missing.
OPTIONAL: Final = frozenset({"PIL"})
MODULES: Final = "lib/ssiuml/python"
DOCUMENTS: Final = "share/doc/ssiuml-utils"
MANIFEST_TEXT: Final = "manifest.txt"
_LICENCE_COLUMNS: Final = 60
_FILESYSTEM: Final = ("type", "block_size", "journals", "journal_size_bytes", "lock_protocol", "lock_table")
_LAUNCHER: Final = '''\
#!/usr/bin/env python3
"""{command}, see its manual page."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("error: {command} needs Python 3.11 or later, this is " + sys.version.split()[0])
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "{modules}"))

from {module} import run

sys.exit(run())
'''


def link_images(folder: Path, images: Iterable[Path]) -> None:
    """Put the images into *folder* as hard links."""
    for image in images:
        os.link(image, folder / image.name)


def write_manifest(folder: Path, values: Mapping[str, Any], kernel: str | None) -> None:
    """Write the manifest of an image as it is installed; *kernel* is the kernel's folder beside the image's.

    *values* are those of the built image. Without *kernel* they stay the same.
    """
    changed = dict(values)
    if kernel is not None:
        changed["kernel"] = {**values["kernel"], "file": f"../{kernel}/{values['kernel']['file']}"}
    manifest.write(folder, changed)


def write_manifest_text(path: Path, head: Sequence[str], sections: Mapping[str, Sequence[str]]) -> None:
    """Write a manifest for people: the lines of *head*, then the sections under their titles.

    Empty sections are left out.
    """
    lines = list(head)
    for title, body in sections.items():
        if body:
            lines += ["", title, *body]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def images_section(folder: Path, digests: Mapping[str, str]) -> list[str]:
    """Return a line for each image with its size and its SHA-256."""
    return [
        f"  {name:20} {format_size((folder / name).stat().st_size):>10}  {digest}"
        for name, digest in digests.items()
    ]


def root_section(values: Mapping[str, Any]) -> list[str]:
    """Return lines about the file system and the cluster, from the values of an image's manifest."""
    filesystem = values["filesystem"]
    return [
        *(f"  {key:20} {filesystem[key]}" for key in _FILESYSTEM if key in filesystem),
        f"  {'nodes at most':20} {values['cluster']['node_limit']}",
        f"  {'network':20} {values['cluster']['network']}",
    ]


def components_section(components: Sequence[Component]) -> list[str]:
    """Return a line for each component with version and licences; its patches follow it."""
    names = max((len(one.name) for one in components), default=0)
    versions = max((len(one.version) for one in components), default=0)
    lines = []
    for one in sorted(components, key=lambda one: one.name):
        head = f"  {one.name:{names}}  {one.version:{versions}}  "
        shown = textwrap.wrap(", ".join(one.licences), _LICENCE_COLUMNS, break_on_hyphens=False) or [""]
        lines += [(head + shown[0]).rstrip(), *(" " * len(head) + more for more in shown[1:])]
        lines += [f"      patch {name}" for name, _ in one.patches]
    return lines


def write_kernel(folder: Path, program: Path, packed_kernel: Path, version: str) -> None:
    """Put the kernel into *folder*: linux-ssi, its config, its modules and its package's copyright file.

    *program* is linux-ssi, *packed_kernel* the cache's archive of the rest (ssiuml.kernel.packed).
    """
    os.link(program, folder / program.name)
    tree = merge([read_layer(packed_kernel)])
    modules = f"{packed.MODULES}/{version}"
    for path, node in tree.walk(modules):
        if node.kind is Kind.FILE and path != f"{modules}/config":
            _write(folder / "modules" / path.removeprefix(f"{packed.MODULES}/"), node)
    if (config := _config_of(tree, f"{modules}/config")) is not None:
        (folder / "config").write_bytes(config)
    for path, node in _documents(tree):
        if path.endswith("/copyright"):
            _write(folder / "copyright", node)


def _config_of(tree: Tree, path: str) -> bytes | None:
    """Return the options of the kernel's build: ours lie at *path*, Debian's among the documents."""
    node = tree.find(path)
    if node is not None:
        return node.read()
    found = [node for path, node in _documents(tree) if path.endswith("/config.gz")]
    return gzip.decompress(found[0].read()) if found else None


def _documents(tree: Tree) -> Iterable[tuple[str, Node]]:
    folder = "usr/share/doc"
    return [] if tree.find(folder) is None else list(tree.walk(folder))


def _write(path: Path, node: Node) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(node.read())
    path.chmod(0o755 if node.meta.mode & 0o100 else 0o644)


def copy_patches(folder: Path, patches: Sequence[Path]) -> None:
    """Put the kernel's patches into *folder*/patches, with the file ``series`` that quilt reads.

    Raise SsiumlError if two patches have the same name.
    """
    if not patches:
        return
    alike = next((two for two in itertools.combinations(patches, 2) if two[0].name == two[1].name), None)
    if alike:
        raise SsiumlError(f"{alike[0]}, {alike[1]}: a release cannot hold two patches of one name")
    target = folder / "patches"
    target.mkdir()
    for patch in patches:
        shutil.copyfile(patch, target / patch.name)
    (target / "series").write_text("".join(f"{patch.name}\n" for patch in patches))


def write_commands(
    folder: Path, commands: Mapping[str, str], programs: Sequence[str], wheels: Sequence[Wheel]
) -> None:
    """Put the *commands* (modules by name) into *folder*, with the modules that they and *programs* import.

    *wheels* are the foreign packages that come along. Raise SsiumlError if the modules import another one.

    The modules are files in a folder, since commands start more slowly from a zipapp: `ssi-exec --help` takes
    40 ms from the folder, 48 ms from a zipapp and 57 ms with shiv; `ssi-status --help` 37, 44 and 56 ms
    (medians of 15 runs, Python 3.11). Python keeps no compiled modules in a zip.
    """
    modules = [*commands.values(), *programs]
    _require_vendored(foreign_packages(*modules), wheels)
    for name in code_of(*modules):
        path = HOME / name
        target = folder / MODULES / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for wheel in wheels:
        wheel.unpack(folder / MODULES, folder / DOCUMENTS / "licences")
    (folder / "bin").mkdir()
    for command, module in commands.items():
        text = _LAUNCHER.format(command=command, modules=MODULES, module=module)
        (folder / "bin" / command).write_text(text)
        (folder / "bin" / command).chmod(0o755)


def _require_vendored(foreign: Mapping[str, set[str]], wheels: Sequence[Wheel]) -> None:
    missing = {
        name: importers
        for name, importers in foreign.items()
        if name not in OPTIONAL and name not in {wheel.name for wheel in wheels}
    }
    if missing:
        lines = "; ".join(f"{name} (by {', '.join(sorted(by))})" for name, by in sorted(missing.items()))
        raise SsiumlError(
            f"the commands import packages that the release does not bring along: {lines}",
            hint="pin a package of pure Python in ssiuml/release/vendored.txt; do without any other",
        )
