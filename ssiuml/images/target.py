"""The target of mkfs_gfs: a file, a block device, or a pool of several of them.

Its new contents are written into a staging file, which is sparse, and put in place when they are whole. A
target that is one file is replaced by the staging file. To devices, and to the files of a larger pool, the
contents are copied, the block with the superblock last, so that half-written contents are no file system.

A file is written in place, like a device, where this user may write to it but cannot put a new file into its
place that has its owner, group, mode and attributes.
"""

import errno
import fcntl
import os
import re
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.structures import BLOCK_SIZES, SUPERBLOCK_BYTES
from ssiuml.formats.pool.assembly import POOL_FOLDER, Pool
from ssiuml.formats.pool.label import RESERVED_BYTES, read_label
from ssiuml.formats.pool.mapping import SECTOR_BYTES, Piece
from ssiuml.host.devices import Device, DeviceError, open_device
from ssiuml.host.files import data_ranges, part_of, replacing
from ssiuml.host.progress import say

Target = Path | Pool

BLKZEROOUT: Final = 0x127F  # linux/fs.h
# Errors at an attempt to put a new file beside another and to give it that one's owner and attributes.
_MAY_NOT: Final = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EINVAL,  # an owner that this user namespace does not know
    errno.ENAMETOOLONG,
    errno.EOPNOTSUPP,
)
_UNCHANGED: Final = "the target is unchanged"
_MOUNTS: Final = Path("/proc/self/mountinfo")
_SUPERBLOCK_SECTORS: Final = BLOCK_SIZES[-1] // SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class StagingFile:
    """Where the new contents are written: from *start_bytes* of *path* on, where the file is one hole.

    The file may have no name; *path* then works only in this process, and only while the file is open.
    """

    path: Path
    start_bytes: int
    size_bytes: int


class _Map(Protocol):
    def pieces(self, sector: int, count: int) -> Iterator[Piece]: ...


class _SingleDevice:
    """The map of one device without a label: its sectors in their order."""

    def pieces(self, sector: int, count: int) -> Iterator[Piece]:
        yield Piece(0, sector, count)


def name_of(target: Target) -> str:
    """Return what messages call *target*: its path or /dev/pool/NAME."""
    return f"{POOL_FOLDER}{target.name}" if isinstance(target, Pool) else str(target)


@contextmanager
def replacing_contents(target: Target, notice: Callable[[str], None] = say) -> Iterator[StagingFile]:
    """Yield a staging file for *target* and put it in place, unless the block raises.

    *target* is locked meanwhile, and stays unchanged on an error. Block devices, and files that cannot be
    replaced, are the exception: they are overwritten once the staging file is whole, and an error then leaves
    them without a file system. *notice* is called with a line for each such file.

    Raise UsageError if a file or device of the target does not exist, DeviceError if it cannot be written or
    is in use.
    """
    paths = target.paths if isinstance(target, Pool) else [target]
    names = ", ".join(str(path) for path in paths)
    place, changed = names, False
    try:
        with ExitStack() as stack:
            devices = [stack.enter_context(open_device(path, write=True)) for path in paths]
            if isinstance(target, Pool):
                _check_labels(target, devices)
            size = target.size_bytes if isinstance(target, Pool) else devices[0].size_bytes
            start = RESERVED_BYTES if isinstance(target, Pool) else 0
            in_place = [device for device in devices if device.is_block or _must_stay(device, notice)]
            if len(devices) == 1 and not in_place:
                with _replaced(devices[0], start) as part:
                    yield StagingFile(part, start, size)
                return
            folder = _staging_folder(devices)
            place = f"{names}, staged in {folder}"
            with tempfile.TemporaryFile(dir=folder) as file:
                file.truncate(size)
                yield StagingFile(Path(f"/proc/self/fd/{file.fileno()}"), 0, size)
                place, changed = names, bool(in_place)
                layout = target.map if isinstance(target, Pool) else _SingleDevice()
                _put_in_place(file.fileno(), size, layout, devices, in_place, start)
    except OSError as error:
        # An error of a file that goes into the file system is a TreeError (ssiuml.formats.gfs.contents).
        raise DeviceError(
            f"{place}: cannot be written: {error.strerror}", hint=_way_out(error, changed)
        ) from error


def _way_out(error: OSError, changed: bool) -> str:
    if changed:
        return "make the file system again: the old contents are lost"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"make room, or choose another place; {_UNCHANGED}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"choose a place that you may write to; {_UNCHANGED}"
    if error.errno == errno.EFBIG:
        return f"raise the limit (ulimit -f), or use a file system for larger files; {_UNCHANGED}"
    return f"run dmesg to see whether the disk fails; {_UNCHANGED}"


def _staging_folder(devices: Sequence[Device]) -> str:
    """Return the folder of the first file, or that of temporary files if no file can be made there."""
    folder = devices[0].path.resolve().parent
    if any(device.is_block for device in devices) or not os.access(folder, os.W_OK | os.X_OK):
        return tempfile.gettempdir()
    return str(folder)


def _must_stay(device: Device, notice: Callable[[str], None]) -> bool:
    """Return whether no new file can take the place of the file *device*; call *notice* with the reason."""
    real = device.path.resolve()
    reason = None
    if _is_mount_point(real):
        reason = "it is a mount point"
    else:
        part = part_of(real)
        try:
            part.unlink(missing_ok=True)
            try:
                with _new_file(part) as stream:
                    _take_over(stream.fileno(), device.fd)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in _MAY_NOT:
                raise
            reason = f"no new file can take its place ({error.strerror})"
    if reason is not None:
        notice(
            f"{device.path}: is written in place, because {reason}; if that is interrupted, "
            "the old contents are lost and the file holds no file system"
        )
    return reason is not None


def _is_mount_point(path: Path) -> bool:
    # mountinfo writes blanks and the like as \\040.
    name = re.sub(r"[\s\\]", lambda match: f"\\{ord(match[0]):03o}", str(path))
    lines = _MOUNTS.read_text(errors="surrogateescape").splitlines() if _MOUNTS.exists() else []
    return any(line.split(" ")[4] == name for line in lines)


def _new_file(part: Path) -> IO[bytes]:
    """Create the file *part*, for this user alone: who may not read the target must not read what becomes it.

    It is used by its descriptor only. Who can write to the folder could put a link in its place.
    """
    return os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "r+b")


def _take_over(new: int, original: int) -> None:
    """Give the open file *new* the owner, mode and attributes of the open file *original*. Raise OSError."""
    state, own = os.fstat(original), os.fstat(new)
    if (state.st_uid, state.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(new, state.st_uid, state.st_gid)
    os.fchmod(new, state.st_mode & 0o7777)
    for name in _attribute_names(original):
        os.setxattr(new, name, os.getxattr(original, name))


def _attribute_names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:  # the file system has none
            return []
        raise


def _check_labels(pool: Pool, devices: Sequence[Device]) -> None:
    for device in devices:
        label = read_label(device.read(0, SECTOR_BYTES))
        if label is None or (label.name, label.pl_pool_id) != (pool.name, pool.pool_id):
            raise UsageError(
                f"{device.path}: is no longer a device of the pool {pool.name}", hint="run passemble again"
            )


@contextmanager
def _replaced(device: Device, start_bytes: int) -> Iterator[Path]:
    """Yield a file that takes the place of the file *device*.

    It has the length, name, mode, owner and attributes of *device*, and its first *start_bytes* bytes.
    """
    with replacing(device.path.resolve()) as part, _new_file(part) as stream:
        stream.write(device.read(0, start_bytes))
        stream.truncate(device.size_bytes)
        stream.flush()
        yield Path(f"/proc/self/fd/{stream.fileno()}")
        _take_over(stream.fileno(), device.fd)


def _put_in_place(
    staged: int,
    size_bytes: int,
    layout: _Map,
    devices: Sequence[Device],
    in_place: Sequence[Device],
    start: int,
) -> None:
    """Copy the staging file to *devices*; their first *start* bytes stay.

    Those that are not in *in_place* are files, and replaced by new ones.
    """
    with ExitStack() as stack:
        targets = []
        for device in devices:
            if device in in_place:
                _zero_out(device, start)
                targets.append(device.fd)
            else:
                part = stack.enter_context(_replaced(device, start))
                targets.append(stack.enter_context(part.open("r+b")).fileno())
        sectors = size_bytes // SECTOR_BYTES
        first = SUPERBLOCK_BYTES // SECTOR_BYTES
        behind = first + _SUPERBLOCK_SECTORS
        for low, high in ((0, min(first, sectors)), (behind, sectors), (first, min(behind, sectors))):
            for begin, end in data_ranges(staged, low * SECTOR_BYTES, high * SECTOR_BYTES):
                source = begin
                for piece in layout.pieces(begin // SECTOR_BYTES, (end - begin) // SECTOR_BYTES):
                    length = piece.count * SECTOR_BYTES
                    _copy(staged, source, targets[piece.device], piece.sector * SECTOR_BYTES, length)
                    source += length
            for fd in targets:
                os.fsync(fd)


def _copy(source: int, offset: int, target: int, position: int, size_bytes: int) -> None:
    os.lseek(target, position, os.SEEK_SET)
    while size_bytes:
        copied = os.sendfile(target, source, offset, size_bytes)
        if not copied:
            raise OSError(errno.EIO, "the staging file became shorter while it was copied")
        offset, size_bytes = offset + copied, size_bytes - copied


def _zero_out(device: Device, start_bytes: int) -> None:
    """Make a device or file read as zeros from *start_bytes* on: the staging file's holes are not copied."""
    if not device.is_block:
        os.ftruncate(device.fd, start_bytes)
        os.ftruncate(device.fd, device.size_bytes)
        return
    length = (device.size_bytes - start_bytes) // SECTOR_BYTES * SECTOR_BYTES
    fcntl.ioctl(device.fd, BLKZEROOUT, struct.pack("=QQ", start_bytes, length))
