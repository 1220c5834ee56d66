"""The historic way to a RAM disk: cluster_mkinitrd, run inside the tree, as the HOWTO has it (4.8).

It makes a file system image and mounts it on a loop device, and its programs are those of the tree, 32-bit
ones on Red Hat 7.2. So it runs in the build appliance, which has loop devices and root, and where
qemu-i386-static runs the 32-bit programs. Not verified against the original cluster_mkinitrd.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.images.appliance import Appliance
from ssiuml.images.appliance.chroot import run_in_tree
from ssiuml.tree.tree import Tree

PROGRAM: Final = "cluster_mkinitrd"
_FOLDERS: Final = ("sbin", "usr/sbin", "usr/local/sbin", "bin", "usr/bin", "usr/local/bin")


class MkinitrdError(SsiumlError):
    """The tree has no cluster_mkinitrd."""


def run_cluster_mkinitrd(appliance: Appliance, tree: Tree, version: str, target: Path) -> None:
    """Write *target* by ``cluster_mkinitrd --uml NAME VERSION`` in *tree*; NAME is that of *target*.

    *version* is the kernel's, "2.4.16-21um". Nothing else of the tree is changed, and the file belongs to who
    calls this. MkinitrdError if the program is not in the tree; else errors as in run_in_tree.
    """
    places = [f"{folder}/{PROGRAM}" for folder in _FOLDERS]
    program = next((place for place in places if tree.find(place) is not None), None)
    if program is None:
        raise MkinitrdError(
            f"{PROGRAM}: is not in the tree (in {' '.join(f'/{folder}' for folder in _FOLDERS)})",
            hint="the cluster tools bring it; initrd.form: linuxrc needs none",
        )
    words = [f"/{program}", "--uml", target.name, version]
    run_in_tree(replace(appliance, task="initrd"), tree, words, target.name, target)
