"""Segments of initial RAM disks: compressed cpio archives, any number of which may follow each other.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""

import gzip
from pathlib import Path
from typing import Final

from ssiuml.host.files import replacing
from ssiuml.tree.cpio import write_archive
from ssiuml.tree.tree import Tree

GZIP_LEVEL: Final = 6


def write_segment(path: Path, tree: Tree) -> None:
    """Write a tree as one compressed cpio archive; the same tree gives the same bytes."""
    entries = ((name, node) for name, node in tree.walk() if name)
    with (
        replacing(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as stream,
    ):
        write_archive(stream, entries)  # type: ignore[arg-type]
