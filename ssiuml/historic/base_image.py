"""The base layer out of the image of an installed system, an ext2 file system (HOWTO 5.1).

The HOWTO mounts it; here it is read without a mount, and what is in it becomes a layer in the cache.
"""

from pathlib import Path
from typing import Final

from ssiuml.formats.ext2.filesystem import Ext2Error
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.host.cache import Cache, Entry, Key
from ssiuml.host.digests import Values
from ssiuml.host.files import require_space
from ssiuml.host.progress import say, stages
from ssiuml.tree.compressed import decompress
from ssiuml.tree.layer import write_tree
from ssiuml.tree.tree import Kind, Tree
from ssiuml.units import GIB

MAX_IMAGE_BYTES: Final = 16 * GIB


def key(sha256: str) -> Key:
    """What the base is kept under in the cache; *sha256* is that of the downloaded image."""
    return Key(kind="base", inputs={"image_sha256": sha256}, suffix=".tar", module=__name__)


def get_or_make(cache: Cache, source: Path, sha256: str) -> Entry:
    """Return the base layer's entry, made of the image *source*, which may be compressed.

    Raises SsiumlError if the image is damaged, SpaceError if the disk is too full.
    """
    return cache.get_or_make(key(sha256), lambda path: _make(path, source))


def _make(path: Path, source: Path) -> Values:
    # Named after the entry, whose lock we hold: what a killed build has left is found and replaced.
    image = path.with_suffix(".ext2")
    try:
        decompress(source, image, MAX_IMAGE_BYTES, "base")
        with stages("base") as show:
            try:
                tree = read_ext2(image, keep_lost_found=True)  # as cp -a has it
            except Ext2Error as error:
                # The image that it names is gone when this is read.
                text = error.message.replace(str(image), str(source))
                raise Ext2Error(text, hint=error.hint) from error
            require_space(path.parent, image.stat().st_blocks * 512, "the base layer")
            leave_out_sockets(tree)
            show(f"reading {sum(1 for _ in tree.walk())} names")
            write_tree(path, tree)
    finally:
        image.unlink(missing_ok=True)
    return {"size_bytes": path.stat().st_size}


def leave_out_sockets(tree: Tree) -> None:
    """A socket belongs to the process that made it, and archives have no place for one."""
    sockets = [path for path, node in tree.walk() if node.kind is Kind.SOCKET]
    for path in sockets:
        tree.remove(path)
    if sockets:
        say(f"base: sockets are left out: {', '.join(f'/{path}' for path in sockets)}")
