"""Write a folder as an archive in GNU tar's own format, with files stored without their zeros.

Source: the manual of GNU tar, "Basic Tar Format" and "Old GNU Format" (of sparse files), and its
src/create.c and src/sparse.c. For the same members the bytes are those of
``tar --format=gnu --sparse --hole-detection=raw``. tar reads a file in pieces of 512 bytes to find its zeros,
holes too: 5 s for an image of 2 GiB. Here the host's file system tells where holes are, and only the data are
searched for zeros. So the bytes do not depend on which blocks of zeros are allocated.
"""

import os
import re
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import CHUNK_BYTES, data_ranges
from ssiuml.tree.tree import read_exactly

Piece = tuple[int, int]  # where data of a file begin and end, in bytes

BLOCK_BYTES: Final = 512
RECORD_BYTES: Final = 20 * BLOCK_BYTES  # tar fills the last record with zeros
HOLE_BYTES: Final = 4096  # a file without as many zeros, aligned so, is stored whole

_ZEROS: Final = bytes(BLOCK_BYTES)
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_NAME_BYTES: Final = 100
_FILE, _LINK, _FOLDER, _SPARSE = b"0", b"2", b"5", b"S"
_LONG_LINK, _LONG_NAME = b"K", b"L"  # of the next member, as a member
_LONG: Final = b"././@LongLink"
_MAGIC: Final = b"ustar  \0"
_IN_HEADER, _IN_BLOCK = 4, 21  # how many pieces have room


def write_folder(stream: IO[bytes], folder: Path, epoch: int) -> None:
    """Write *folder*, under its name, and everything below it. Files with zeros that are left out come last.

    All members belong to root and have the time *epoch* (seconds since 1970); everybody may read them, only
    their owner may write. Raise SsiumlError for what is no file, folder or symbolic link, TreeError for a
    file that becomes shorter meanwhile, OSError for what cannot be read or written.
    """
    paths = sorted([folder, *folder.rglob("*")], key=str)
    sparse: list[tuple[Path, list[Piece]]] = []
    done = 0
    for path in paths:
        if stat.S_ISREG(path.lstat().st_mode) and has_holes(pieces := _data_of(path)):
            sparse.append((path, pieces))
        else:
            done += _write_member(stream, folder, path, epoch)
    for path, pieces in sparse:
        done += _write_sparse(stream, folder, path, epoch, pieces)
    done += stream.write(2 * _ZEROS)
    stream.write(bytes(-done % RECORD_BYTES))


def data_pieces(descriptor: int, size_bytes: int) -> list[Piece]:
    """Return the data in an open file: runs of blocks of BLOCK_BYTES that are not all zeros.

    The last piece ends with the file. It is empty if the file ends with zeros. Raise OSError.
    """
    pieces: list[Piece] = []
    done = 0
    for start, stop in data_ranges(descriptor, 0, size_bytes):
        # Where the file system's blocks are smaller than ours, two ranges can share one.
        done, end = max(done, start - start % BLOCK_BYTES), stop + -stop % BLOCK_BYTES
        while done < end:
            chunk = os.pread(descriptor, min(CHUNK_BYTES, end - done), done)
            for first, last in _data_in(chunk):
                begin, behind = done + first, min(done + last, size_bytes)
                if pieces and begin == pieces[-1][1]:
                    begin = pieces.pop()[0]
                pieces.append((begin, behind))
            done = done + len(chunk) if chunk else end  # the file became shorter, as its reader will find
    if not pieces or pieces[-1][1] < size_bytes:
        pieces.append((size_bytes, size_bytes))
    return pieces


def has_holes(pieces: list[Piece]) -> bool:
    """Return whether a file with these *pieces* has HOLE_BYTES of zeros at a multiple of HOLE_BYTES."""
    return any(
        end + -end % HOLE_BYTES + HOLE_BYTES <= begin for (_, end), (begin, _) in pairwise([(0, 0), *pieces])
    )


def _data_of(path: Path) -> list[Piece]:
    with path.open("rb", buffering=0) as stream:
        return data_pieces(stream.fileno(), os.fstat(stream.fileno()).st_size)


def _data_in(chunk: bytes) -> Iterator[Piece]:
    """Yield begin and end of each run of blocks that are not all zeros."""
    chunk += bytes(-len(chunk) % BLOCK_BYTES)
    begin = at = 0
    while (found := chunk.find(_ZEROS, at)) >= 0:
        match = _NOT_ZERO.search(chunk, found + BLOCK_BYTES)
        at = len(chunk) if match is None else match.start()
        first, last = found + -found % BLOCK_BYTES, at - at % BLOCK_BYTES
        if first < last:
            if begin < first:
                yield begin, first
            begin = last
    if begin < len(chunk):
        yield begin, len(chunk)


def _write_member(stream: IO[bytes], folder: Path, path: Path, epoch: int) -> int:
    """Write a member that is no sparse file. Return the number of bytes."""
    state = path.lstat()
    if stat.S_ISREG(state.st_mode):
        done = stream.write(_head(folder, path, _FILE, epoch, size_bytes=state.st_size))
        return done + _write_data(stream, path, [(0, state.st_size)])
    if stat.S_ISDIR(state.st_mode):
        return stream.write(_head(folder, path, _FOLDER, epoch))
    if stat.S_ISLNK(state.st_mode):
        target = os.readlink(path)  # noqa: PTH115 - a Path would change it
        return stream.write(_head(folder, path, _LINK, epoch, link=target))
    raise SsiumlError(f"{path}: is no file, folder or symbolic link")


def _write_sparse(stream: IO[bytes], folder: Path, path: Path, epoch: int, pieces: list[Piece]) -> int:
    stored = sum(end - begin for begin, end in pieces)
    fields = [_number(begin) + _number(end - begin) for begin, end in pieces]
    rest = b"".join(fields[:_IN_HEADER]).ljust(_IN_HEADER * 24, b"\0")
    rest += bytes([len(fields) > _IN_HEADER]) + _number(pieces[-1][1])
    done = stream.write(_head(folder, path, _SPARSE, epoch, size_bytes=stored, rest=bytes(41) + rest))
    for at in range(_IN_HEADER, len(fields), _IN_BLOCK):
        block = b"".join(fields[at : at + _IN_BLOCK]).ljust(_IN_BLOCK * 24, b"\0")
        done += stream.write((block + bytes([at + _IN_BLOCK < len(fields)])).ljust(BLOCK_BYTES, b"\0"))
    return done + _write_data(stream, path, pieces)


def _write_data(stream: IO[bytes], path: Path, pieces: list[Piece]) -> int:
    done = 0
    with path.open("rb", buffering=0) as source:
        for begin, end in pieces:
            source.seek(begin)
            for chunk in read_exactly(source, end - begin, str(path)):
                done += stream.write(chunk)
    return done + stream.write(bytes(-done % BLOCK_BYTES))


def _head(
    folder: Path,
    path: Path,
    kind: bytes,
    epoch: int,
    *,
    size_bytes: int = 0,
    link: str = "",
    rest: bytes = b"",
) -> bytes:
    """Return the header of a member, *rest* at its end; before it, names that have no room in it."""
    name = os.fsencode(path.relative_to(folder.parent)) + (b"/" if kind == _FOLDER else b"")
    target = os.fsencode(link)
    mode = path.lstat().st_mode & 0o777 | 0o644
    mode = (mode | 0o111 if mode & 0o111 or kind == _FOLDER else mode) & ~0o022
    return (
        _long(_LONG_LINK, target)
        + _long(_LONG_NAME, name)
        + _header(name, mode, size_bytes, epoch, kind, target, rest)
    )


def _long(kind: bytes, text: bytes) -> bytes:
    if len(text) <= _NAME_BYTES:
        return b""
    data = text + b"\0"
    return _header(_LONG, 0o644, len(data), 0, kind) + data + bytes(-len(data) % BLOCK_BYTES)


def _header(
    name: bytes, mode: int, size_bytes: int, epoch: int, kind: bytes, link: bytes = b"", rest: bytes = b""
) -> bytes:
    start = name[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0") + b"%07o\0" % mode + 2 * b"0000000\0"
    start += _number(size_bytes) + _number(epoch)
    end = kind + link[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0") + _MAGIC
    end += bytes(80) + rest  # no names of owners, and no device
    end = end.ljust(BLOCK_BYTES - len(start) - 8, b"\0")
    checksum = sum(start) + 8 * ord(" ") + sum(end)
    return start + b"%06o\0 " % checksum + end


def _number(value: int) -> bytes:
    """Return a number of 12 bytes: octal digits, or from 8 GiB on base 256."""
    return b"%011o\0" % value if value < 8**11 else b"\x80" + value.to_bytes(11, "big")
