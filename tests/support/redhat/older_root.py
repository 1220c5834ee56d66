"""ssiuml-root-rh72-0.6.5-1.tar.bz2: an older root image, with modules for a new one (HOWTO 5.5)."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from redhat.archives import as_bytes, pack_sparse
from redhat.dates import RELEASE_S
from redhat.modules import module_files
from redhat.opengfs import TOOLS
from redhat.tree_builder import TreeBuilder
from ssiuml.formats.pool.assembly import assemble, find_label
from ssiuml.formats.pool.config import parse_config
from ssiuml.formats.pool.label import make_labels
from ssiuml.host import files
from ssiuml.images.mkfs import CommonOptions, Gfs1Options, make_filesystem
from ssiuml.tree.tree import Tree
from ssiuml.units import MIB

NAME: Final = "ssiuml-root-rh72-0.6.5-1.tar.bz2"
_FOLDER: Final = "ssiuml-root-rh72"
_MAKEFILE: Final = """LIB = /usr/local/lib

install:
	install -m 666 root_cidev root_fs $(LIB)
"""


def make_older_root(target: Path, *, size_mib: int = 64) -> Path:
    """Make the .tar.bz2, which unpacks to a folder with Makefile and the sparse files root_fs and root_cidev.

    root_fs is the pool pool0 with GFS1 and two journals, root_cidev the empty pool pool0cidev. Return
    *target*.
    """
    with TemporaryDirectory(dir=target.parent) as work:
        folder = Path(work, _FOLDER)
        folder.mkdir()
        (folder / "Makefile").write_bytes(as_bytes(_MAKEFILE))
        make_pool(folder / "root_fs", "pool0", "/dev/loop2", size_mib, old_tree())
        make_pool(folder / "root_cidev", "pool0cidev", "/dev/loop1", 4, None)
        for name, mode in (("Makefile", 0o644), ("root_fs", 0o666), ("root_cidev", 0o666)):
            (folder / name).chmod(mode)
        folder.chmod(0o755)
        return pack_sparse(target, folder)


def old_tree() -> Tree:
    """Return a small root with the modules and OpenGFS's programs of the old image."""
    root = TreeBuilder(RELEASE_S)
    for path, data in module_files().items():
        root.file(path, data)
    # It is not known where make install of OpenGFS put its programs.
    for name in TOOLS:
        root.program(f"sbin/{name}")
    root.file("etc/redhat-release", "Red Hat Linux release 7.2 (Enigma)\n")
    return root.tree


def make_pool(target: Path, pool: str, device: str, size_mib: int, tree: Tree | None) -> Path:
    """Make *target* the only device of a labelled pool, with *tree* as GFS1 behind the label."""
    files.create(target, size_mib * MIB)
    text = f"poolname {pool}\nsubpools 1\nsubpool 0 0 1 gfs_data\npooldevice 0 0 {device} 0\n"
    label = make_labels(parse_config(text, Path(f"{pool}.cf")), {device: size_mib * MIB})[device]
    with target.open("r+b") as stream:
        stream.write(label.pack())
    if tree is not None:
        choice = Gfs1Options(
            CommonOptions(
                lock_protocol="memexp",
                lock_table="/dev/pool/pool0cidev",
                time_s=RELEASE_S,
                journals=2,
                journal_mib=8,
                block_size=4096,
            ),
            expert=True,
        )
        make_filesystem(assemble(pool, [(target, find_label(target))]), choice, tree)
    return target
