"""Kernel modules of Linux 2.4.16 for User-Mode Linux, as `make modules_install` and OpenGFS install them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from redhat.archives import pack, unfold
from redhat.elf32 import module

KERNEL: Final = "2.4.16-21um"
NAME: Final = f"modules-{KERNEL}.tar.bz2"
# The path of each module below /lib/modules/KERNEL, and that of the module that it needs.
_KERNEL_MODULES: Final = {
    "kernel/drivers/net/dummy.o": "",
    "kernel/fs/minix/minix.o": "",
    "kernel/fs/fat/fat.o": "",
    "kernel/fs/vfat/vfat.o": "kernel/fs/fat/fat.o",
}
GFS_MODULES: Final = {
    "kernel/drivers/md/pool.o": "",
    "kernel/fs/gfs/lock_harness.o": "",
    "kernel/fs/gfs/nolock.o": "kernel/fs/gfs/lock_harness.o",
    "kernel/fs/gfs/memexp.o": "kernel/fs/gfs/lock_harness.o",
    "kernel/fs/gfs/gfs.o": "kernel/fs/gfs/lock_harness.o",
}


def module_files(kernel: str = KERNEL, *, opengfs: bool = True) -> dict[str, bytes]:
    """Return modules and modules.dep by path, which begins with lib/modules."""
    needs: Mapping[str, str] = {**_KERNEL_MODULES, **(GFS_MODULES if opengfs else {})}
    top = f"lib/modules/{kernel}"
    files = {f"{top}/{path}": module(kernel, description=Path(path).stem) for path in needs}
    files[f"{top}/modules.dep"] = "".join(
        f"/{top}/{path}:{f' /{top}/{need}' if need else ''}\n\n" for path, need in sorted(needs.items())
    ).encode()
    return files


def make_modules(target: Path, kernel: str = KERNEL, *, opengfs: bool = True) -> Path:
    """Make a .tar.bz2 with lib/modules/KERNEL, or a folder if *target* has no such suffix."""
    files = module_files(kernel, opengfs=opengfs)
    return pack(target, files, owner=0) if target.name.endswith(".tar.bz2") else unfold(target, files)
