"""The base layer from the image of an installed system, an ext2 file system (HOWTO 5.1).

The HOWTO mounts the image. Here it is read without a mount, and its tree becomes a layer in the cache.
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
    """Return the key of the base layer in the cache. *sha256* is the digest of the downloaded image."""
    return Key(kind="base", inputs={"image_sha256": sha256}, suffix=".tar", module=__name__)


def get_or_make(cache: Cache, source: Path, sha256: str) -> Entry:
    """Return the cache entry of the base layer. Make it from the image *source* if it is not there.

    *source* may be compressed. *sha256* is its digest. Raise SsiumlError if the image is damaged or holds no
    ext2 file system, or if the disk has too little room.
    """
    return cache.get_or_make(key(sha256), lambda path: _make(path, source))


def _make(path: Path, source: Path) -> Values:
    # The name follows from the entry, whose lock is held: the rest of a killed build is found and replaced.
    image = path.with_suffix(".ext2")
    try:
        decompress(source, image, MAX_IMAGE_BYTES, "base")
        with stages("base") as show:
            try:
                tree = read_ext2(image, keep_lost_found=True)  # the HOWTO's cp -a copies it, too
            except Ext2Error as error:
                # The image is deleted before the user reads the message: name the download instead.
                text, hint = error.message, error.hint or "get the image again"
                raise Ext2Error(
                    text.replace(str(image), str(source)), hint=hint.replace(str(image), "IMAGE")
                ) from error
            require_space(path.parent, image.stat().st_blocks * 512, "the base layer")
            leave_out_sockets(tree)
            show(f"reading {sum(1 for _ in tree.walk())} names")
            write_tree(path, tree)
    finally:
        image.unlink(missing_ok=True)
    return {"size_bytes": path.stat().st_size}


def leave_out_sockets(tree: Tree) -> None:
    """Remove the sockets from *tree* and print their names.

    A socket belongs to the process that made it, and an archive cannot hold one.
    """
    sockets = [path for path, node in tree.walk() if node.kind is Kind.SOCKET]
    for path in sockets:
        tree.remove(path)
    if sockets:
        say(f"base: sockets are left out: {', '.join(f'/{path}' for path in sockets)}")
