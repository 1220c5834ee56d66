"""The initrd of Linux 2.4 from the root's own files: a compressed ext2 image with linuxrc (HOWTO 4.8).

Linux 2.4 knows no initramfs; the kernel unpacks the image into /dev/ram0 and starts linuxrc in it. There are
two: initrd-ssi.img for nodes, initrd-memexp.img for the lock server, which has no root and no login.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.historic.ext2_image import write_ext2
from ssiuml.historic.uml_changes import FOLDER, MAJOR, MINORS
from ssiuml.host.atomic import replacing
from ssiuml.host.scratch import scratch_folder
from ssiuml.host.templates import render
from ssiuml.kernel.modules import module_closure
from ssiuml.layers.initrd import InitrdError, copy_with_links
from ssiuml.tree.elf import with_libraries
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file
from ssiuml.units import format_size

TEMPLATE: Final = "linuxrc.j2"
GZIP_LEVEL: Final = 9
# /initrd: where pivot_root leaves the RAM disk; it has to be in the root.
_FOLDERS: Final = ("bin", "dev", "dev/ubd", "dev/pool", "etc", "lib", "proc", "sbin", "sysroot", "tmp")
_DEVICES: Final = {
    "console": (Kind.CHARACTER, 5, 1),
    "null": (Kind.CHARACTER, 1, 3),
    "tty0": (Kind.CHARACTER, 4, 0),
    "ram0": (Kind.BLOCK, 1, 0),
}
# What the script calls, by their usual places; the first that the root has is taken.
_CALLED: Final = {
    "mount": ("bin/mount",),
    "umount": ("bin/umount",),
    "insmod": ("sbin/insmod",),
    "ifconfig": ("sbin/ifconfig",),
}
_CALLED_BY_NODES: Final = {
    "passemble": ("sbin/passemble", "usr/sbin/passemble", "usr/local/sbin/passemble"),
    "pivot_root": ("sbin/pivot_root",),
    "chroot": ("usr/sbin/chroot", "usr/bin/chroot"),
}
_CALLED_BY_SERVER: Final = {"memexpd": ("sbin/memexpd", "usr/sbin/memexpd", "usr/local/sbin/memexpd")}


class LinuxrcError(SsiumlError):
    """The root has not what the RAM disk needs."""


def linuxrc_tree(
    tree: Tree,
    templates: Path,
    variables: Mapping[str, Any],
    *,
    version: str,
    tools: Sequence[str],
    modules: Sequence[str],
    mtime_ns: int,
    server: bool,
) -> Tree:
    """The contents of the RAM disk: *tools* and what linuxrc calls, *modules*, and what all of these need.

    *variables* are those of the configuration's templates. Raises LinuxrcError for a program that the root
    does not have, SsiumlError and KernelError for libraries and modules.
    """
    meta = Meta(mode=0o755, mtime_ns=mtime_ns)
    small = Tree(meta)
    for name in _FOLDERS:
        small.add(name, directory(replace(meta, mode=0o1777 if name == "tmp" else 0o755)))
    called = {**_CALLED, **(_CALLED_BY_SERVER if server else _CALLED_BY_NODES)}
    programs = dict.fromkeys(
        [tool.lstrip("/") for tool in tools] + [_found(tree, *one) for one in called.items()]
    )
    for path in with_libraries(tree, list(programs)):
        copy_with_links(tree, small, path)
    if small.find("bin/sh") is None:
        raise InitrdError("the RAM disk would have no shell", hint="add /bin/sh to initrd.tools")
    folder = tree.real_path(f"lib/modules/{version}")
    closure = module_closure(tree, folder, list(modules))
    for path in closure:
        small.add(f"lib/modules/{version}/{path}", tree.lookup(f"{folder}/{path}"))
    for name, (kind, major, minor) in _DEVICES.items():
        small.add(f"dev/{name}", Node(kind, replace(meta, mode=0o600), device=(major, minor)))
    for number in range(2):  # the root and the lock table
        device = (MAJOR, MINORS * number)
        small.add(f"{FOLDER}/{number}", Node(Kind.BLOCK, replace(meta, mode=0o600), device=device))
    values = {**variables, "modules": closure, "version": version, "server": server}
    script = render(templates, TEMPLATE, values)
    small.add("linuxrc", file(Literal(script.encode()), meta))
    return small


def _found(tree: Tree, name: str, places: Sequence[str]) -> str:
    place = next((place for place in places if tree.find(place) is not None), None)
    if place is None:
        raise LinuxrcError(
            f"the root has no {name} (looked for: {', '.join('/' + place for place in places)})",
            hint="OpenGFS for User-Mode Linux brings it (HOWTO 4.7); or use initrd.form: cluster_mkinitrd",
        )
    return place


def write_linuxrc_initrd(
    target: Path, small: Tree, time_s: int, limit_bytes: int, work: Path | None = None
) -> int:
    """Write the RAM disk, the same bytes for the same tree; return its bytes when it is unpacked.

    *work* is for what is only needed meanwhile, by default the target's folder. InitrdError if the RAM disk
    has, compressed, over *limit_bytes*.
    """
    with scratch_folder(work or target.parent, "initrd") as scratch:
        image = scratch / "image"
        write_ext2(image, small, time_s)
        disk = image.read_bytes()
    data = gzip.compress(disk, GZIP_LEVEL, mtime=0)
    if len(data) > limit_bytes:
        largest = max((node.size_bytes, path) for path, node in small.walk())
        raise InitrdError(
            f"{target.name}: {format_size(len(data))} is over initrd.limit, {format_size(limit_bytes)}; "
            f"the largest file in it is /{largest[1]}, {format_size(largest[0])}",
            hint="take something out of initrd.tools or initrd.modules, or raise initrd.limit",
        )
    with replacing(target) as part:
        part.write_bytes(data)
    return len(disk)
