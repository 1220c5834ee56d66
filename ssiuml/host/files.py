"""Sparse files: make them, copy them without filling their holes, see what they cost."""

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.atomic import replacing

# linux/fs.h: #define FICLONE _IOW(0x94, 9, int); Python 3.11's fcntl does not name it.
FICLONE: Final = 0x40049409
_NO_REFLINK: Final = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
FULL_BYTES: Final = 1 << 20
SECTOR_BYTES: Final = 512  # unit of st_blocks, whatever the file system's block size


class SpaceError(SsiumlError):
    """The file system of the host has not enough room."""


def create(path: Path, size_bytes: int) -> None:
    """Make a file of *size_bytes* that is one hole, in place of what was there."""
    with replacing(path) as part, part.open("wb") as stream:
        stream.truncate(size_bytes)


def copy(source: Path, target: Path) -> None:
    """Copy *source* to *target*, sharing blocks where the file system can, else hole for hole."""
    with replacing(target) as part, source.open("rb") as reader, part.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in _NO_REFLINK:
                raise
            _copy_data(reader.fileno(), writer.fileno())


def copy_from(source: Path, start_bytes: int, target: Path) -> None:
    """Copy what *source* has from *start_bytes* on to *target*, hole for hole."""
    with replacing(target) as part, source.open("rb") as reader, part.open("wb") as writer:
        _copy_data(reader.fileno(), writer.fileno(), start_bytes)


def _copy_data(source: int, target: int, skip_bytes: int = 0) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, max(size - skip_bytes, 0))
    for start, end in data_ranges(source, skip_bytes, size):
        os.lseek(target, start - skip_bytes, os.SEEK_SET)
        while start < end:
            # Not copy_file_range: it refuses two file systems of different types (EXDEV).
            copied = os.sendfile(target, source, start, end - start)
            if not copied:
                raise OSError(errno.EIO, f"the file became shorter while it was copied, at byte {start}")
            start += copied


def data_ranges(number: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges between bytes *begin* and *end* of an open file that are no holes; OSError."""
    while begin < end:
        try:
            start = os.lseek(number, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        if start >= end:
            return
        begin = min(os.lseek(number, start, os.SEEK_HOLE), end)
        yield start, begin


def allocated_bytes(path: Path) -> int:
    """Bytes that the file takes up on the disk."""
    return path.stat().st_blocks * SECTOR_BYTES


def is_full(path: Path) -> bool:
    """Whether the file system that *path* lies on has no room left to speak of."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize < FULL_BYTES


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """SpaceError, naming folder, need and what there is, if *needed_bytes* do not fit into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    if free < needed_bytes:
        raise SpaceError(
            f"{folder}: {what} needs about {needed_bytes >> 20} MiB, {free >> 20} MiB are free there",
            hint="make room there, or go elsewhere: SSIUML_CACHE names the cache, TMPDIR temporary files",
        )
