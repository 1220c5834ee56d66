"""Device nodes of User-Mode Linux's block devices (HOWTO 5.6).

A disk and its partitions have 16 minor numbers: ubd/N is block 98, 16 N. Before 2002 it was 98, N, and an
image of that time still has those.
"""

import re
from typing import Final

from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Kind, Meta, Node, Tree

MAJOR: Final = 98
MINORS: Final = 16
FOLDER: Final = "dev/ubd"
_DISK_GID: Final = 6  # as Red Hat and Debian have it
_OLD_NAME: Final = re.compile(r"dev/ubd/?([0-9]+)")


def ubd_layer(tree: Tree, count: int, mtime_ns: int) -> Layer:
    """The layer with /dev/ubd/0 up to *count* of them, and new numbers for all that *tree* has already."""
    layer = Layer()
    fresh = {f"{FOLDER}/{number}": number for number in range(count)}
    if tree.find("dev") is not None:
        for path, node in tree.walk("dev"):
            match = _OLD_NAME.fullmatch(path)
            if match and node.kind is Kind.BLOCK and int(match[1]) < 256 // MINORS:
                device = (MAJOR, MINORS * int(match[1]))
                layer.add(path, Node(Kind.BLOCK, node.meta, device=device))
                fresh.pop(path, None)
    meta = Meta(mode=0o660, gid=_DISK_GID, mtime_ns=mtime_ns)
    for path, number in fresh.items():
        layer.add(path, Node(Kind.BLOCK, meta, device=(MAJOR, MINORS * number)))
    return layer
