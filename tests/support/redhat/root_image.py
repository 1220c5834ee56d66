"""root_fs.rh72.pristine.bz2 of the User-Mode Linux project, and a similar image of Caldera."""

from pathlib import Path
from typing import Final

from redhat.archives import compress
from redhat.busybox import fetch_busybox
from redhat.ext2 import write_ext2
from redhat.root_tree import RED_HAT, make_tree
from ssiuml.tree.tree import Tree
from ssiuml.units import MIB

RED_HAT_NAME: Final = "root_fs.rh72.pristine.bz2"
CALDERA_NAME: Final = "root_fs.caldera31.pristine.bz2"


def make_root_fs(
    target: Path,
    distribution: str = RED_HAT,
    *,
    shell: Path | None = None,
    block_size: int = 4096,
    old_modules: bool = False,
    sockets: bool = True,
    far_block: bool = False,
    bulk_mib: int = 0,
) -> Path:
    """Make *target* an ext2 image, compressed if its name ends in .bz2, with the tree that make_tree makes.

    *shell* is a static busybox, by default Debian's for 32-bit PCs. A tenth of the file system and some MiB
    stay free. Return *target*.
    """
    tree = make_tree(
        distribution,
        shell=shell or fetch_busybox(),
        old_modules=old_modules,
        sockets=sockets,
        far_block=far_block,
        bulk_mib=bulk_mib,
    )
    is_packed = target.suffix == ".bz2"
    image = target.with_suffix("") if is_packed else target
    write_ext2(image, tree, block_size=block_size, size_mib=_size_mib(tree, block_size))
    return compress(image, target) if is_packed else image


def _size_mib(tree: Tree, block_size: int) -> int:
    nodes = {id(node): node for _, node in tree.walk()}
    # A file with holes takes less than this; some MiB too many do no harm.
    taken = sum(min(node.size_bytes, 8 * MIB) + block_size for node in nodes.values())
    return taken * 11 // 10 // MIB + 8
