"""Run a program inside a tree as root, in the appliance, and take out one file that it has made.

This is for programs that need what an ordinary user has not: chroot, loop mounts, device nodes, programs for
another machine. The appliance gets the tree as a GFS2 image, written directly, so that it unpacks nothing.
The image is deleted afterwards, with all other changes that the program made.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs2.geometry import QUOTA_CHANGE_BYTES, Geometry
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.host import files
from ssiuml.host.files import replacing
from ssiuml.host.run import find_tool
from ssiuml.images.appliance.fill import Appliance, appliance_tree
from ssiuml.tree.compare import Census, take_census
from ssiuml.tree.cpio import write_segment
from ssiuml.tree.elf import is_i386
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Literal, Meta, Tree, file, parts_of, whole_file
from ssiuml.units import MIB

MODULES: Final = ("gfs2", "loop", "binfmt_misc", "cramfs")
EMULATOR: Final = "qemu-i386-static"
_SCRIPT: Final = Path(__file__).with_name("run-in-tree")
_COMMAND: Final = ".appliance-command"
_BLOCK_BYTES: Final = 4096
_JOURNAL_BYTES: Final = 8 * MIB
# Free space for what the program writes: images, and the files that go into them.
_ROOM_BYTES: Final = 256 * MIB
_MAX_RESULT_BYTES: Final = 128 * MIB
SHELL: Final = "bin/sh"  # in the tree; it starts the program


def run_in_tree(appliance: Appliance, tree: Tree, argv: Sequence[str], result: str, target: Path) -> None:
    """Run *argv* in *tree* as root, chrooted, in the folder /. Copy the file *result* from it to *target*.

    The program has /dev with loop devices, /proc, and no network. The host's qemu-i386-static runs 32-bit
    programs. The appliance's tree needs the kernel modules MODULES. *target* is an ordinary file of the
    caller.

    Raise SsiumlError if a module is missing, or if the emulator is missing and the tree's shell or *argv*'s
    program is a 32-bit one. Raise it, with the last lines printed, if the program fails, leaves no file
    *result*, or takes longer than the appliance's limit.
    """
    emulator = _emulator(tree, argv[0])
    work = appliance.work
    work.mkdir(parents=True, exist_ok=True)
    image, back, initrd = work / "tree", work / "result.tar", work / "appliance.img"
    inside = "/".join(parts_of(result))
    try:
        _write_tree(image, tree, argv)
        files.create(back, _MAX_RESULT_BYTES)
        small = appliance_tree(appliance.programs, appliance.modules_version, MODULES, _SCRIPT)
        small.add("result", file(Literal(f"{inside}\n".encode()), Meta(mode=0o644)))
        if emulator is not None:
            small.add("qemu-i386", file(whole_file(emulator), Meta(mode=0o755)))
        write_segment(initrd, small)
        appliance.boot(initrd, {"ubd0": image, "ubd1": back}, [f"appliance.modules={','.join(MODULES)}"])
        made = merge([read_layer(back)]).lookup(inside, follow=False).content
        if made is None:
            raise SsiumlError(f"/{inside}: is no regular file")
        with replacing(target) as part, part.open("wb") as stream:
            stream.writelines(made.chunks())
    finally:
        for path in (image, back, initrd):
            path.unlink(missing_ok=True)


def _write_tree(image: Path, tree: Tree, argv: Sequence[str]) -> None:
    whole = Tree(tree.root.meta)
    whole.root.children.update(tree.root.children)
    command = f"cd / && exec {shlex.join(argv)}\n".encode()
    whole.root.children[_COMMAND] = file(Literal(command), Meta(mode=0o600))
    size = _size_bytes(take_census(whole))
    files.require_space(image.parent, size, "a copy of the tree")
    geometry = Geometry(size, _BLOCK_BYTES, 1, _JOURNAL_BYTES)
    settings = Settings(
        geometry=geometry, lock_protocol="lock_nolock", lock_table="a:b", choices=Choices(time_ns=0)
    )
    write_image(image, whole, settings)


def _size_bytes(census: Census) -> int:
    used = census.content_bytes + census.xattr_bytes + 2 * census.inodes * _BLOCK_BYTES
    used += _JOURNAL_BYTES + QUOTA_CHANGE_BYTES
    return -(-(used + used // 16 + _ROOM_BYTES) // MIB) * MIB


def _emulator(tree: Tree, program: str) -> Path | None:
    """Return the emulator for 32-bit programs, if any. Raise SsiumlError if the tree needs one."""
    found = find_tool(EMULATOR)
    if found is None and any(_is_i386(tree, path) for path in (program, SHELL)):
        raise SsiumlError(
            f"{program}: needs 32-bit programs; the appliance runs them by {EMULATOR}, not on this machine",
            hint="run sudo apt-get install --no-install-recommends qemu-user-static",
        )
    return Path(found) if found is not None else None


def _is_i386(tree: Tree, path: str) -> bool:
    node = tree.find(path)
    if node is None or node.content is None:
        return False
    return is_i386(next(node.content.chunks(), b""))
