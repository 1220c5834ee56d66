"""Contents of stand-in files: bytes that compress like programs, and files with holes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ssiuml.host.files import CHUNK_BYTES
from ssiuml.units import KIB, MIB


def filler(name: str, size_bytes: int) -> bytes:
    """Return *size_bytes* bytes that differ for every *name* and compress to half their size."""
    return random.Random(name).randbytes(size_bytes // 2 + 1).hex().encode()[:size_bytes]  # noqa: S311


@dataclass(frozen=True)
class Holes:
    """Contents with bytes at the start and the end, and zeros between."""

    size_bytes: int
    head: bytes
    tail: bytes

    def chunks(self) -> Iterator[bytes]:
        yield self.head.ljust(CHUNK_BYTES, b"\0")
        left = self.size_bytes - CHUNK_BYTES
        while left > CHUNK_BYTES:
            yield bytes(CHUNK_BYTES)
            left -= CHUNK_BYTES
        yield self.tail.rjust(left, b"\0")


def bulk(total_mib: int) -> Iterator[tuple[str, bytes]]:
    """Yield path and contents of files of *total_mib* MiB together. A file has 0 bytes to 8 MiB."""
    sizes = random.Random(total_mib)  # noqa: S311
    left, number = total_mib * MIB, 0
    while left > 0:
        # In a root most files are small, and most bytes are in large files.
        size = min(left, int(sizes.lognormvariate(9, 1.6)), 8 * MIB)
        path = PurePosixPath("usr/share/doc", f"package-{number // 40:04}", f"file-{number:06}")
        yield str(path), filler(str(path), size)
        left -= max(size, KIB)
        number += 1
