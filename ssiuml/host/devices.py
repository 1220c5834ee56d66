"""Files and block devices with an image: open them safely, refuse those in use."""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError, UsageError

# linux/fs.h: asks whether the device is read-only.
BLKROGET: Final = 0x125E
_SYS_BLOCK: Final = Path("/sys/block")


class DeviceError(SsiumlError):
    """A file or device cannot be opened or written, or is in use."""


@dataclass(frozen=True, slots=True)
class Device:
    """An open file or block device of *size_bytes*. *identity* is the same for all names of it."""

    path: Path
    fd: int
    size_bytes: int
    is_block: bool
    identity: tuple[int, int]

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Return *size_bytes* from *offset_bytes* on, fewer only at the end of the device."""
        pieces = []
        while size_bytes:
            piece = os.pread(self.fd, size_bytes, offset_bytes)
            if not piece:
                break
            pieces.append(piece)
            offset_bytes += len(piece)
            size_bytes -= len(piece)
        return b"".join(pieces)

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        """Return whether the byte at *offset_bytes* is data, not in a hole, and where that data or hole ends.

        Everything is data if the file system cannot tell.
        """
        try:
            start = os.lseek(self.fd, offset_bytes, os.SEEK_DATA)
            if start > offset_bytes:
                return False, start
            return True, os.lseek(self.fd, offset_bytes, os.SEEK_HOLE)
        except OSError as error:
            # ENXIO: the rest of the file is a hole.
            return error.errno != errno.ENXIO or self.is_block, self.size_bytes

    def write(self, offset_bytes: int, data: bytes | memoryview) -> None:
        """Write all of *data* and flush it to the disk. Raise DeviceError, with the path, if that fails."""
        view = memoryview(data)
        try:
            while view:
                done = os.pwrite(self.fd, view, offset_bytes)
                view = view[done:]
                offset_bytes += done
            os.fsync(self.fd)
        except OSError as error:
            raise DeviceError(
                f"{self.path}: cannot be written at byte {offset_bytes}: {error.strerror}"
            ) from error


@contextmanager
def open_device(path: Path, *, write: bool = False) -> Iterator[Device]:
    """Open an existing file or block device. With *write*, lock it against other processes for the block.

    Raise UsageError if it does not exist, or is neither file nor block device. Raise DeviceError if it cannot
    be opened; with *write*, also if it is read-only, mounted, attached to a loop device, or locked by another
    process, such as a User-Mode Linux whose disk it is.
    """
    flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
            raise UsageError(
                f"{path}: is neither a file nor a block device", hint="name a file or a block device"
            )
        if write and not kind & 0o222:
            # Root could write to it, but its owner has taken that right away on purpose.
            raise DeviceError(
                f"{path}: is read-only, its mode is {stat.S_IMODE(kind):04o}", hint="run chmod u+w FILE"
            )
        # With O_EXCL and without O_CREAT, Linux refuses block devices that are mounted or otherwise in use.
        fd = os.open(path, flags | (os.O_EXCL if write and stat.S_ISBLK(kind) else 0))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: is not there", hint="make it first: truncate -s 2G FILE") from error
    except OSError as error:
        raise DeviceError(
            f"{path}: cannot be opened: {error.strerror}", hint=_way_out(error, path)
        ) from error
    try:
        try:
            device = _device(path, fd)
        except OSError as error:  # a file of /proc that has no end
            raise DeviceError(f"{path}: its size cannot be found: {error.strerror}") from error
        if write:
            _require_free(device)
        yield device
    finally:
        os.close(fd)


def _way_out(error: OSError, path: Path) -> str | None:
    if error.errno == errno.EBUSY:
        return f"run findmnt {path} to see whether it is mounted: it is in use"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "use a file or device that you may write to"
    return None


def _device(path: Path, fd: int) -> Device:
    state = os.fstat(fd)
    is_block = stat.S_ISBLK(state.st_mode)
    identity = (-1, state.st_rdev) if is_block else (state.st_dev, state.st_ino)
    return Device(path, fd, os.lseek(fd, 0, os.SEEK_END), is_block, identity)


def _require_free(device: Device) -> None:
    if device.is_block:
        answer = fcntl.ioctl(device.fd, BLKROGET, struct.pack("i", 0))
        if struct.unpack("i", answer)[0]:
            raise DeviceError(f"{device.path}: is a read-only device", hint="run blockdev --setrw DEVICE")
        return
    loop = loop_device_of(device.path)
    if loop is not None:
        raise DeviceError(
            f"{device.path}: is in use, attached to {loop}",
            hint=f"run losetup -d {loop}, or use {loop} instead of the file",
        )
    try:
        fcntl.lockf(device.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DeviceError(
            f"{device.path}: is in use, another process has locked it",
            hint="run ssi-status to see whether it is the disk of a running node; ssi-stop ends a cluster",
        ) from error


def loop_device_of(path: Path) -> str | None:
    """Return the loop device that the file *path* is attached to, such as /dev/loop1, or None."""
    real = str(path.resolve())
    for entry in sorted(_SYS_BLOCK.glob("loop*/loop/backing_file")):
        try:
            backing = entry.read_text(errors="surrogateescape").rstrip("\n")
        except OSError:  # detached in the meantime
            continue
        if backing == real:
            return f"/dev/{entry.parts[-3]}"
    return None
