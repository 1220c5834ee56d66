"""Compressed files: unpacked as a stream, with limits, into names that appear when whole.

What a file is compressed with is seen by its first bytes. bzip2 and gzip come from Python's own libraries,
the same code as that of the programs.
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
}
_DAMAGE: Final = (OSError, EOFError, lzma.LZMAError, zlib.error)


class UnpackError(SsiumlError):
    """A file is damaged, or too large when it is unpacked."""


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def open_compressed(path: Path) -> IO[bytes]:
    """Open *path* for reading what is compressed in it (bzip2, gzip, xz), or the file as it is."""
    opened: IO[bytes] = (_opener(path) or _plain)(path)
    return opened


def is_compressed(path: Path) -> bool:
    """Whether open_compressed finds anything compressed in *path*."""
    return _opener(path) is not None


def _opener(path: Path) -> Callable[[Path], Any] | None:
    with path.open("rb") as stream:
        magic = stream.read(_MAGIC_BYTES)
    return next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)


def decompress(source: Path, target: Path, limit_bytes: int, step: str) -> None:
    """Unpack the file *source* to *target*; blocks of zeros become holes.

    *step* is what progress is told for. Raises UnpackError if *source* is damaged or cut off, or has more
    than *limit_bytes* in it; *target* then stays as it was.
    """
    with stages(step) as show, replacing(target) as part, part.open("wb") as stream:
        show(f"unpacking {source.name}")
        done = 0
        for chunk in _chunks(source):
            done += len(chunk)
            if done > limit_bytes:
                raise UnpackError(f"{source}: has more than {format_size(limit_bytes)} in it, the limit")
            write_sparsely(stream, chunk)
        stream.truncate(done)
        show(f"{format_size(done)} unpacked")


def _chunks(source: Path) -> Iterator[bytes]:
    with reading(source) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


@contextmanager
def reading(source: Path) -> Iterator[IO[bytes]]:
    """Open what is in *source*; UnpackError for damage that reading it meets."""
    try:
        with open_compressed(source) as stream:
            yield stream
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the host's, of whatever file
        raise _damaged(source, error) from error


def _damaged(source: Path, error: Exception) -> UnpackError:
    return UnpackError(
        f"{source}: is damaged or not complete: {error}",
        hint="remove it, and its entry in recipes/NAME.lock if it is pinned there; then it is fetched anew",
    )


def write_sparsely(stream: IO[bytes], chunk: bytes) -> None:
    """Write *chunk* to a file, blocks of zeros as holes; who writes sets the length in the end."""
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
