"""Compressed files and source archives: unpacked as a stream, with limits, into names that appear when whole.

What a file is compressed with is seen by its first bytes. bzip2 and gzip come from Python's own libraries,
the same code as that of the programs.
"""

import bz2
import gzip
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from ssiuml.atomic import part_of, replacing
from ssiuml.errors import SsiumlError
from ssiuml.progress import stages
from ssiuml.tree import CHUNK_BYTES
from ssiuml.units import format_size

_HOLE_BYTES: Final = 4096
_MAGIC_BYTES: Final = 6
_DAMAGE: Final = (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError)


class UnpackError(SsiumlError):
    """A file is damaged, too large when it is unpacked, or has something in it that is not allowed."""


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def open_compressed(path: Path) -> IO[bytes]:
    """Open *path* for reading what is compressed in it (bzip2, gzip, xz), or the file as it is."""
    with path.open("rb") as stream:
        magic = stream.read(_MAGIC_BYTES)
    openers: dict[bytes, Callable[[Path], Any]] = {
        b"BZh": bz2.open,
        b"\x1f\x8b": gzip.open,
        b"\xfd7zXZ\0": lzma.open,
    }
    opener = next((found for start, found in openers.items() if magic.startswith(start)), _plain)
    opened: IO[bytes] = opener(path)
    return opened


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
            _write_sparsely(stream, chunk)
        stream.truncate(done)
        show(f"{format_size(done)} unpacked")


def _chunks(source: Path) -> Iterator[bytes]:
    try:
        with open_compressed(source) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except _DAMAGE as error:
        raise _damaged(source, error) from error


def _damaged(source: Path, error: Exception) -> UnpackError:
    return UnpackError(
        f"{source}: is damaged or not complete: {error}",
        hint="remove it; the next build fetches it anew (or put a whole one there)",
    )


def _write_sparsely(stream: IO[bytes], chunk: bytes) -> None:
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


def unpack(archive: Path, folder: Path, limit_bytes: int) -> None:
    """Unpack a tar archive, compressed or not, into the new folder *folder*, as an ordinary user.

    Python's data filter (PEP 706) refuses names and links that lead out, and devices; owners are not kept.
    Raises UnpackError, with the member, for what is refused, if the archive is damaged or has more than
    *limit_bytes* in it; *folder* is not there then.
    """
    part = part_of(folder)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _extract(archive, part, limit_bytes)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _extract(archive: Path, folder: Path, limit_bytes: int) -> None:
    done = 0
    try:
        with open_compressed(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                done += member.size
                if done > limit_bytes:
                    raise UnpackError(f"{archive}: has more than {format_size(limit_bytes)} in it, the limit")
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise UnpackError(f"{archive}: {error}") from error
    except _DAMAGE as error:
        raise _damaged(archive, error) from error
