"""The RAM disks of Linux 2.4 (HOWTO 4.8): put together from the root's files, or made by cluster_mkinitrd.

Linux 2.4 has no initramfs. The kernel unpacks a compressed ext2 image into /dev/ram0 and starts linuxrc in
it. There are two images: initrd-ssi.img for nodes, and initrd-memexp.img for the lock server, which has no
root and no login.

cluster_mkinitrd, the HOWTO's way, makes a file system image and mounts it on a loop device. It and the
programs that it calls belong to the tree, and are for 32-bit PCs on Red Hat 7.2. So it runs in the build
appliance, which has root and loop devices, and where qemu-i386-static runs 32-bit programs. This is not
verified against the original cluster_mkinitrd.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.historic.ext2_image import write_ext2
from ssiuml.historic.uml_changes import UBD_FOLDER, ubd_numbers
from ssiuml.host.files import replacing, scratch_folder
from ssiuml.host.templates import render
from ssiuml.images.appliance import Appliance
from ssiuml.images.appliance.chroot import run_in_tree
from ssiuml.kernel.modules import module_closure
from ssiuml.layers.initrd import copy_with_links
from ssiuml.tree.elf import with_libraries
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file
from ssiuml.units import format_size

LINUXRC_TEMPLATE: Final = "linuxrc.j2"
GZIP_LEVEL: Final = 9
CLUSTER_MKINITRD: Final = "cluster_mkinitrd"
# /initrd is missing here: pivot_root leaves the RAM disk at that folder of the root.
_FOLDERS: Final = ("bin", "dev", "dev/ubd", "dev/pool", "etc", "lib", "proc", "sbin", "sysroot", "tmp")
_DEVICES: Final = {
    "console": (Kind.CHARACTER, 5, 1),
    "null": (Kind.CHARACTER, 1, 3),
    "tty0": (Kind.CHARACTER, 4, 0),
    "ram0": (Kind.BLOCK, 1, 0),
}
_DISKS: Final = 2  # the root and the lock server table
# The programs that linuxrc calls, with their usual places. The first one that the root has is taken.
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
_MKINITRD_FOLDERS: Final = ("sbin", "usr/sbin", "usr/local/sbin", "bin", "usr/bin", "usr/local/bin")


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
    """Return the tree of the RAM disk of nodes, or of the lock server if *server* is true.

    It holds *tools*, the programs that linuxrc calls, the kernel's *modules* of *version*, and all that these
    need, from the root *tree*. *variables* are those of the configuration's templates. Raise SsiumlError for
    a program, library or module that the root does not have.
    """
    meta = Meta(mode=0o755, mtime_ns=mtime_ns)
    disk = Tree(meta)
    for name in _FOLDERS:
        disk.add(name, directory(replace(meta, mode=0o1777 if name == "tmp" else 0o755)))
    called = {**_CALLED, **(_CALLED_BY_SERVER if server else _CALLED_BY_NODES)}
    programs = dict.fromkeys(
        [tool.lstrip("/") for tool in tools] + [_program(tree, *each) for each in called.items()]
    )
    for path in with_libraries(tree, list(programs)):
        copy_with_links(tree, disk, path)
    if disk.find("bin/sh") is None:
        raise SsiumlError("the RAM disk would have no shell", hint="add /bin/sh to initrd.tools")
    folder = tree.real_path(f"lib/modules/{version}")
    closure = module_closure(tree, folder, list(modules))
    for path in closure:
        disk.add(f"lib/modules/{version}/{path}", tree.lookup(f"{folder}/{path}"))
    for name, (kind, major, minor) in _DEVICES.items():
        disk.add(f"dev/{name}", Node(kind, replace(meta, mode=0o600), device=(major, minor)))
    for number in range(_DISKS):
        node = Node(Kind.BLOCK, replace(meta, mode=0o600), device=ubd_numbers(number))
        disk.add(f"{UBD_FOLDER}/{number}", node)
    values = {**variables, "modules": closure, "version": version, "server": server}
    script = render(templates, LINUXRC_TEMPLATE, values)
    disk.add("linuxrc", file(Literal(script.encode()), meta))
    return disk


def _program(tree: Tree, name: str, places: Sequence[str]) -> str:
    place = next((place for place in places if tree.find(place) is not None), None)
    if place is None:
        raise SsiumlError(
            f"the root has no {name} (looked for: {', '.join('/' + place for place in places)})",
            hint="add it to the root (OpenGFS for User-Mode Linux brings passemble and memexpd, HOWTO 4.7), "
            "or set initrd.form: cluster_mkinitrd",
        )
    return place


def write_linuxrc_initrd(
    target: Path, disk: Tree, time_s: int, limit_bytes: int, work: Path | None = None
) -> int:
    """Write the RAM disk with the tree *disk* to *target*. Return its size in bytes before compression.

    The same tree gives the same bytes. *time_s* is the time of its file system, in seconds since 1970.
    Temporary files lie in *work*, by default in the target's folder. Raise SsiumlError if the compressed RAM
    disk is larger than *limit_bytes*.
    """
    with scratch_folder(work or target.parent, "initrd") as scratch:
        image = scratch / "image"
        write_ext2(image, disk, time_s)
        unpacked = image.read_bytes()
    data = gzip.compress(unpacked, GZIP_LEVEL, mtime=0)
    if len(data) > limit_bytes:
        largest = max((node.size_bytes, path) for path, node in disk.walk())
        raise SsiumlError(
            f"{target.name}: {format_size(len(data))} is over initrd.limit, {format_size(limit_bytes)}; "
            f"the largest file in it is /{largest[1]}, {format_size(largest[0])}",
            hint="take something out of initrd.tools or initrd.modules, or raise initrd.limit",
        )
    with replacing(target) as part:
        part.write_bytes(data)
    return len(unpacked)


def run_cluster_mkinitrd(appliance: Appliance, tree: Tree, version: str, target: Path) -> None:
    """Write *target* by running ``cluster_mkinitrd --uml NAME VERSION`` in a copy of *tree*.

    NAME is the name of *target*, VERSION is *version*, that of the kernel ("2.4.16-21um"). *tree* itself
    stays as it is, and *target* belongs to the caller. Raise SsiumlError if the program is not in the tree.
    Raise the errors of ssiuml.images.appliance.chroot.run_in_tree.
    """
    places = [f"{folder}/{CLUSTER_MKINITRD}" for folder in _MKINITRD_FOLDERS]
    program = next((place for place in places if tree.find(place) is not None), None)
    if program is None:
        looked_in = " ".join(f"/{folder}" for folder in _MKINITRD_FOLDERS)
        raise SsiumlError(
            f"{CLUSTER_MKINITRD}: is not in the tree (in {looked_in})",
            hint="take cluster tools that install it, or set initrd.form: linuxrc, which does not need it",
        )
    words = [f"/{program}", "--uml", target.name, version]
    run_in_tree(replace(appliance, task="initrd"), tree, words, target.name, target)
