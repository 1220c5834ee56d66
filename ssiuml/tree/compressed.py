"""Files compressed with bzip2, gzip or xz, read as streams and unpacked with a limit on their size.

The first bytes of a file show how it is compressed. Python's standard library decompresses all three.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES, replacing
from ssiuml.host.progress import stages
from ssiuml.units import format_size

_HOLE_BYTES: Final = 4096
_MAGIC_BYTES: Final = 6
_OPENERS: Final[Mapping[bytes, Callable[[Path], Any]]] = {
    b"BZh": bz2.open,
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\0": lzma.open,
    b"]\0\0": lzma.open,  # xz --format=lzma
}
_FETCH_AGAIN: Final = "remove it, and its entry in recipes/NAME.lock if it is pinned there, to fetch it again"
_DAMAGE: Final = (OSError, EOFError, lzma.LZMAError, zlib.error)


def is_compressed(path: Path) -> bool:
    """Return whether *path* begins like a bzip2, gzip or xz file."""
    return _opener(path) is not None


def _opener(path: Path) -> Callable[[Path], Any] | None:
    with path.open("rb") as stream:
        magic = stream.read(_MAGIC_BYTES)
    return next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)


def decompress(source: Path, target: Path, limit_bytes: int, step: str) -> None:
    """Decompress the file *source* to *target*, or copy it if it is not compressed.

    Blocks of zeros become holes. Progress is shown under the name *step*. Raise SsiumlError if *source* is
    damaged or cut off, or has more than *limit_bytes* in it; *target* then stays unchanged.
    """
    with stages(step) as show, replacing(target) as part, part.open("wb") as stream:
        show(f"unpacking {source.name}")
        done = 0
        with open_compressed(source) as packed:
            while chunk := packed.read(CHUNK_BYTES):
                done += len(chunk)
                if done > limit_bytes:
                    raise SsiumlError(f"{source}: has more than {format_size(limit_bytes)} in it, the limit")
                write_sparsely(stream, chunk)
        stream.truncate(done)
        show(f"{format_size(done)} unpacked")


@contextmanager
def open_compressed(path: Path, *, name: str | None = None, hint: str = _FETCH_AGAIN) -> Iterator[IO[bytes]]:
    """Open *path* for reading its decompressed bytes, or its own bytes if it is not compressed.

    Raise SsiumlError, with *hint* and with *name* instead of the path, if the file turns out to be damaged or
    cut off while the caller reads it.
    """
    opener = _opener(path)
    try:
        with path.open("rb") if opener is None else opener(path) as stream:
            yield stream
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the host's, from any file in the caller's block
        raise SsiumlError(f"{name or path}: is damaged or not complete: {error}", hint=hint) from error


def write_sparsely(stream: IO[bytes], chunk: bytes) -> None:
    """Write *chunk* to a file with blocks of zeros as holes. The caller sets the file's length at the end."""
    zeros = bytes(_HOLE_BYTES)
    start = 0
    for at in range(0, len(chunk), _HOLE_BYTES):
        piece = chunk[at : at + _HOLE_BYTES]
        if len(piece) == _HOLE_BYTES and piece == zeros:
            if start < at:
                stream.write(chunk[start:at])
            stream.seek(_HOLE_BYTES, 1)
            start = at + _HOLE_BYTES
    if start < len(chunk):
        stream.write(chunk[start:])
