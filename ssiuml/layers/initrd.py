"""Initial RAM disks, made of segments, so that only changed segments are made again.

Each segment is a compressed cpio archive. The kernel unpacks any number of them, one behind the other in one
file (Documentation/driver-api/early-userspace/buffer-format.rst).
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import replacing
from ssiuml.kernel.modules import module_closure, read_modules_dep
from ssiuml.tree.elf import with_libraries
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink
from ssiuml.units import format_size

SCRIPTS: Final = "usr/lib/ssi/initrd"
# Folders that the boot scripts mount file systems on or write to.
_FOLDERS: Final = ("dev", "proc", "sys", "run", "tmp", "root", "var/log", "var/lib", "sysroot")


def tools_tree(tree: Tree, programs: Sequence[str], mtime_ns: int) -> Tree:
    """Return *programs* with their libraries from *tree*, a shell, and the empty folders.

    busybox is the shell unless *programs* have /bin/sh. Raise SsiumlError if neither is there.
    """
    small = Tree(Meta(mode=0o755, mtime_ns=mtime_ns))
    for name in _FOLDERS:
        small.add(name, directory(Meta(mode=0o1777 if name == "tmp" else 0o755, mtime_ns=mtime_ns)))
    for path in with_libraries(tree, [program.lstrip("/") for program in programs]):
        copy_with_links(tree, small, path)
    if small.find("bin/sh") is None:
        small.add("bin/sh", symlink("busybox", Meta(mode=0o777, mtime_ns=mtime_ns)))
    if small.find("bin/sh") is None:
        raise SsiumlError(
            "the RAM disk would have no shell: neither /bin/sh nor /bin/busybox is in it",
            hint="add /bin/busybox to initrd.tools",
        )
    return small


def add_scripts(tree: Tree, small: Tree, folder: str = SCRIPTS) -> None:
    """Copy the boot scripts below *folder* to *small*, and link /init, the first program, to ``init`` there.

    Raise SsiumlError if there is no such script.
    """
    for path, node in tree.walk(folder):
        if node.kind is not Kind.DIRECTORY:
            small.add(path, node)
    if small.find(f"{folder}/init") is None:
        raise SsiumlError(f"/{folder}/init: no such script in the tree, so the RAM disk could not start")
    small.add("init", symlink(f"{folder}/init"))


def copy_with_links(source: Tree, target: Tree, path: str) -> None:
    """Copy the file at *path*, and the links and folders on the way to it, from *source* to *target*."""
    real = source.real_path(path)
    target.add(real, source.lookup(real))
    _copy_links(source, target, path)


def _copy_links(source: Tree, target: Tree, path: str) -> None:
    names = path.split("/")
    for depth in range(1, len(names) + 1):
        part = "/".join(names[:depth])
        node = source.find(part, follow=False)
        if node is None or node.kind is not Kind.SYMLINK:
            continue
        if target.find(part, follow=False) is None:
            target.add(part, symlink(node.target or "", node.meta))
        folder = "/".join(names[: depth - 1])
        leads_to = node.target or ""
        onward = leads_to if leads_to.startswith("/") else f"{folder}/{leads_to}"
        _copy_links(source, target, "/".join([*onward.strip("/").split("/"), *names[depth:]]))
        return


def modules_tree(tree: Tree, version: str, wanted: Sequence[str], mtime_ns: int) -> Tree:
    """Return the modules *wanted*, their dependencies, and modules.dep and modules.builtin for modprobe."""
    # The real path: if /lib is a link, an archive with a folder /lib would replace that link (clean_path in
    # init/initramfs.c), and hide the libraries of the segment before it.
    folder = tree.real_path(f"lib/modules/{version}")
    needs = read_modules_dep(tree, folder)
    small = Tree(Meta(mode=0o755, mtime_ns=mtime_ns))
    paths = module_closure(tree, folder, list(wanted))
    for path in paths:
        small.add(f"{folder}/{path}", tree.lookup(f"{folder}/{path}"))
    lines = "".join(f"{path}: {' '.join(needs.get(path, []))}".rstrip() + "\n" for path in sorted(paths))
    small.add(f"{folder}/modules.dep", _text(lines, mtime_ns))
    builtin = tree.find(f"{folder}/modules.builtin")
    if builtin is not None:  # modprobe succeeds for these modules
        small.add(f"{folder}/modules.builtin", _text(builtin.read().decode(), mtime_ns))
    return small


def config_tree(files: Iterable[tuple[str, str]], mtime_ns: int) -> Tree:
    """Return a tree of configuration files, which are given as (path, text)."""
    small = Tree(Meta(mode=0o755, mtime_ns=mtime_ns))
    for path, text in files:
        small.add(path, _text(text, mtime_ns))
    return small


def _text(text: str, mtime_ns: int) -> Node:
    return file(Literal(text.encode()), Meta(mode=0o644, mtime_ns=mtime_ns))


def join_segments(path: Path, segments: Sequence[Path], limit_bytes: int) -> None:
    """Write the RAM disk *path*. Raise SsiumlError, with each segment's size, if it exceeds *limit_bytes*."""
    sizes = [segment.stat().st_size for segment in segments]
    if sum(sizes) > limit_bytes:
        total, limit = format_size(sum(sizes)), format_size(limit_bytes)
        parts = ", ".join(
            f"{segment.name} {format_size(size)}" for segment, size in zip(segments, sizes, strict=True)
        )
        raise SsiumlError(
            f"{path.name}: {total} is over initrd.limit, {limit}: {parts}",
            hint="take something out of initrd.tools or initrd.modules, or raise initrd.limit",
        )
    with replacing(path) as part, part.open("wb") as target:
        for segment in segments:
            with segment.open("rb") as source:
                shutil.copyfileobj(source, target)
