"""Files of this machine: replaced in one step, copied with their holes, temporary folders, free space."""

import errno
import fcntl
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.units import format_size

CHUNK_BYTES: Final = 1 << 20  # how much of a file is read at once
FULL_BYTES: Final = 1 << 20
SECTOR_BYTES: Final = 512  # the unit of st_blocks in every file system
# linux/fs.h: #define FICLONE _IOW(0x94, 9, int); Python 3.11's fcntl does not name it.
FICLONE: Final = 0x40049409
_PID_PART: Final = re.compile(r"\.([0-9]+)\.part$")  # the name that write_text gives
_NO_REFLINK: Final = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)


def part_of(path: Path) -> Path:
    """Return the temporary name for *path*. Each target has one, so killed builds leave one at most."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def replacing(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside *path*; on success, flush that file and rename it to *path*.

    Without *flush*, *path* may be damaged after a crash of this machine: only for what a digest protects.

    On an exception, remove the temporary file and leave *path* unchanged. If the process is killed, or ends
    while another thread is in the block, the temporary file stays; the next writer of *path* removes it.
    The caller holds the lock of the target.
    """
    part = part_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    try:
        yield part
        if flush:
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file (UTF-8) in one step. Several processes may write the same file.

    Remove what killed processes have left of earlier tries.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        if _PID_PART.search(left.name) and is_left(left):
            left.unlink(missing_ok=True)


def is_left(part: Path) -> bool:
    """Return whether no process writes the temporary file *part* any more, as far as its name tells.

    Those of write_text have the process in their name. For others the caller holds the lock of the target.
    """
    match = _PID_PART.search(part.name)
    if match is None:
        return True
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return False


def remove_left_parts(folder: Path) -> None:
    """Remove temporary files and folders that killed processes have left in *folder*.

    The caller holds the lock of everything that is made there.
    """
    for part in folder.glob(".*.part"):
        if is_left(part):
            remove_part(part)


def remove_part(part: Path) -> None:
    """Remove a temporary file or folder."""
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a new folder in *parent* that only this user can enter; remove it at the end of the block.

    *parent* is made if it does not exist. The folder's name begins with *name*, which shows what left it
    there if the process is killed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=parent) as folder:
        yield Path(folder)


def create(path: Path, size_bytes: int) -> None:
    """Make *path* a file of *size_bytes* that is one hole. An existing file is replaced.

    Raise SsiumlError if the file system that it lies in has no files as large as that.
    """
    with replacing(path) as part, part.open("wb") as stream:
        try:
            stream.truncate(size_bytes)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            raise SsiumlError(
                f"{path}: the file system there has no files as large as {format_size(size_bytes)}",
                hint="make it smaller, or work on another file system, such as XFS",
            ) from error


def copy(source: Path, target: Path) -> None:
    """Copy *source* to *target*: share its blocks (reflink) if the file system can, else keep its holes."""
    with replacing(target) as part:
        copy_to_part(source, part)


def copy_to_part(source: Path, part: Path) -> None:
    """Copy *source* as ``copy`` does, to a *part* that the caller puts in its place (see ``replacing``)."""
    with source.open("rb") as reader, part.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in _NO_REFLINK:
                raise
            _copy_data(reader.fileno(), writer.fileno())


def copy_from(source: Path, start_bytes: int, target: Path) -> None:
    """Copy *source* from byte *start_bytes* to its end to *target*, and keep its holes."""
    with replacing(target) as part, source.open("rb") as reader, part.open("wb") as writer:
        _copy_data(reader.fileno(), writer.fileno(), start_bytes)


def _copy_data(source: int, target: int, skip_bytes: int = 0) -> None:
    size = os.fstat(source).st_size
    os.ftruncate(target, max(size - skip_bytes, 0))
    for start, end in data_ranges(source, skip_bytes, size):
        os.lseek(target, start - skip_bytes, os.SEEK_SET)
        while start < end:
            # Not copy_file_range: it refuses to copy between file systems of different types (EXDEV).
            copied = os.sendfile(target, source, start, end - start)
            if not copied:
                raise OSError(errno.EIO, f"the file became shorter while it was copied, at byte {start}")
            start += copied


def data_ranges(fd: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges that hold data, not holes, between bytes *begin* and *end* of an open file.

    Raise OSError if the file system cannot tell.
    """
    while begin < end:
        try:
            start = os.lseek(fd, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # the rest of the file is a hole
                return
            raise
        if start >= end:
            return
        begin = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        yield start, begin


def allocated_bytes(path: Path) -> int:
    """Return how many bytes the file takes up on the disk."""
    return path.stat().st_blocks * SECTOR_BYTES


def is_full(path: Path) -> bool:
    """Return whether the file system that holds *path* has less than FULL_BYTES free."""
    return _free_bytes(path) < FULL_BYTES


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Make *folder* if it does not exist. Raise SsiumlError if it lacks room for *needed_bytes*.

    The message names *what* needs the room, the folder, the need and the free space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = _free_bytes(folder)
    if free < needed_bytes:
        raise SsiumlError(
            f"{folder}: {what} needs about {needed_bytes >> 20} MiB, {free >> 20} MiB are free there",
            hint="make room there, or set SSIUML_CACHE (cache) or TMPDIR (temporary files) to another place",
        )


def _free_bytes(path: Path) -> int:
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize
