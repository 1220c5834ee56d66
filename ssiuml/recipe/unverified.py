"""Parts of a recipe that nobody has compared with the software of 2002.

This project's tests cannot reach the downloads of the SSI/UML HOWTO and the programs in them; they use
stand-ins. These lines are printed by `doit show`, and they are in the manifest and in docs/rh72.md.
"""

from ssiuml.recipe.distribution import ImageDistribution
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.initrd import HistoricInitrd, LinuxrcInitrd
from ssiuml.recipe.kernel import CvsKernel, NoKernel, ReleaseKernel
from ssiuml.recipe.model import Recipe

_MARK = "not verified against the original: "


def unverified(recipe: Recipe) -> list[str]:
    """Return a line for each thing that is not verified, none for a recipe of today's parts."""
    found = []
    if isinstance(recipe.distribution, ImageDistribution):
        found.append(f"the image '{recipe.distribution.source}' and its unpacking: tested with a stand-in")
    if recipe.cluster_tools != "builtin":
        found.append("the cluster tools' Makefile and what it installs: tested with a stand-in")
    if recipe.uml is not None:
        found.append(
            f"the form of the lines marked 'For UML' in {recipe.uml.inittab}: known from the HOWTO alone"
        )
    if isinstance(recipe.kernel, NoKernel) and recipe.kernel.modules != "none":
        found.append("where modules and programs lie in what they are taken from: tested with a stand-in")
    if isinstance(recipe.kernel, ReleaseKernel | CvsKernel):
        found.append(
            f"the kernel's source ({recipe.kernel.source}), its patches and its build: tested with "
            "stand-ins, never with gcc 2.96"
        )
    if recipe.opengfs is not None:
        found.append("building and installing OpenGFS: tested with a stand-in")
    if isinstance(recipe.filesystem, Gfs1Filesystem):
        found += _of_gfs1(recipe, recipe.filesystem)
    if isinstance(recipe.initrd, LinuxrcInitrd):
        found.append("the initrd's linuxrc: written after the HOWTO, never run by a 2.4 kernel")
    if isinstance(recipe.initrd, HistoricInitrd):
        found.append("cluster_mkinitrd in the root: tested with a stand-in")
    if recipe.demo is not None:
        found.append("the demonstration program: tested with a stand-in")
    return [_MARK + line for line in found]


def _of_gfs1(recipe: Recipe, chosen: Gfs1Filesystem) -> list[str]:
    found = []
    if recipe.tools.host_path("mkfs_gfs") is None:
        found.append(
            f"format {chosen.fs_format} and multihost format {chosen.multihost_format} of the superblock: "
            "OpenGFS of 2002 may have written others"
        )
    if recipe.tools.host_path("gfsconf") is None:
        found.append(
            "the lock server table in root_cidev: gfsconf's real layout is published nowhere, this is our own"
        )
    return found
