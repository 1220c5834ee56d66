"""Archives that fill a file system or are compared with one: also compressed, and from a pipe.

The contents of files stay in the archive until they are needed, anywhere in it. So what cannot be read
anywhere goes into a temporary file first: what comes from a pipe, and what a compressed archive has in it.
Blocks of zeros are holes of this file, and it has no name: nothing is left when the process is killed.
"""

import errno
import os
import stat
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host.files import CHUNK_BYTES, is_full
from ssiuml.host.run import PLAIN_LANGUAGE, CommandError, run
from ssiuml.host.tools import UNPACKERS
from ssiuml.tree.compressed import is_compressed, open_compressed, write_sparsely
from ssiuml.tree.layer import read_tree_archive
from ssiuml.tree.tarheader import is_header
from ssiuml.tree.tree import Tree

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM: Final = "make room there, or set TMPDIR to another place"
_AGAIN: Final = "make the archive again"
STANDARD_INPUT: Final = Path("-")
_UNPACK_TIMEOUT_S: Final = 6 * 3600.0
_NEED_THE_END: Final = ("zstd", "lz4", "compress")  # zeros behind the data are an error for these
_MOST_ZEROS: Final = 16  # at the end of compressed data
# The first bytes of a file, and the unpacker (ssiuml.host.tools) of its format.
_FORMATS: Final = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
    b"\x89LZO\0": "lzop",
    b"\x1f\x9d": "compress",
    b"\xfd7zXZ\0": "xz",
}


def archive_source(text: str) -> Path:
    """Return what a user names: ``-`` is STANDARD_INPUT, ``./-`` the file of that name."""
    return Path(text).absolute() if text != "-" and Path(text) == STANDARD_INPUT else Path(text)


@contextmanager
def tree_of_archive(source: Path) -> Iterator[Tree]:
    """Yield the tree in the tar archive *source*, whose files can be read until the block ends.

    STANDARD_INPUT is read to its end. Raise UsageError if *source* does not exist or is a terminal. Raise
    SsiumlError if it cannot be read or unpacked, and LayerError as read_tree_archive does.
    """
    name = "standard input" if source == STANDARD_INPUT else str(source)
    with ExitStack() as stack:
        path = _seekable(source, name, stack)
        path = _unpacked(path, name, stack)
        yield read_tree_archive(path, name)


def _temporary_file(name: str, stack: ExitStack) -> IO[bytes]:
    """Return a new file without a name that lasts as long as *stack*. Raise SsiumlError if there is none."""
    try:
        return stack.enter_context(tempfile.TemporaryFile())
    except OSError as error:
        raise SsiumlError(
            f"{name}: no temporary file can be made: {error.strerror}",
            hint="set TMPDIR to a folder that you may write to",
        ) from error


def _seekable(source: Path, name: str, stack: ExitStack) -> Path:
    """Return *source*, or a temporary file with all that comes from it if it is no file."""
    try:
        stream = _standard_input() if source == STANDARD_INPUT else source.open("rb")
        with stream:
            if stream.isatty():
                raise UsageError(
                    f"{name}: is a terminal", hint="give an archive: tar -c DIR | mkfs_gfs -d - ..."
                )
            if source != STANDARD_INPUT and stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return source
            return _copied(stream, name, _temporary_file(name, stack))
    except FileNotFoundError as error:
        raise UsageError(f"{name}: is not there", hint="name a folder or a tar archive") from error
    except OSError as error:
        raise SsiumlError(f"{name}: cannot be read: {error.strerror}") from error


def _standard_input() -> IO[bytes]:
    if sys.__stdin__ is None:
        raise UsageError("standard input: is closed", hint="give an archive: mkfs_gfs -d - ... <FILE.tar")
    return open(sys.__stdin__.fileno(), "rb", closefd=False)


def _unpacked(path: Path, name: str, stack: ExitStack) -> Path:
    """Return *path*, or a temporary file with what is in it if it is compressed."""
    try:
        with path.open("rb") as stream:
            start = stream.read(tarfile.BLOCKSIZE)
    except OSError as error:
        raise SsiumlError(f"{name}: cannot be read: {error.strerror}") from error
    if is_header(start):  # the name of its first member may begin like a compressed file
        return path
    form = next((form for magic, form in _FORMATS.items() if start.startswith(magic)), None)
    # Python unpacks xz too, but does not know the zeros that bsdtar and tapes add.
    if form is not None and (UNPACKERS[form].is_there() or not is_compressed(path)):
        target = _temporary_file(name, stack)
        _run_unpacker(form, path, name, target)
        return _path_of(target)
    if is_compressed(path):
        with open_compressed(path, name=name, hint=_AGAIN) as packed:
            return _copied(packed, name, _temporary_file(name, stack))
    return path


def _run_unpacker(form: str, path: Path, name: str, target: IO[bytes]) -> None:
    tool = UNPACKERS[form]
    if not tool.is_there():
        raise SsiumlError(
            f"{name}: is compressed by {form}, but {tool.name} is missing on this machine",
            hint=f"run sudo apt-get install --no-install-recommends {tool.package}",
        )
    # Through a pipe: most of these programs refuse a file that is a link, as the copy's name is.
    script = 'head -c "$1" -- "$0" | "$2" -dc'
    failures = []
    for size_bytes in _possible_sizes(form, path):
        words = ["sh", "-c", script, str(path), str(size_bytes), tool.name]
        try:
            run(words, timeout_s=_UNPACK_TIMEOUT_S, stdout=_path_of(target), env=PLAIN_LANGUAGE)
        except CommandError as error:
            failures.append(error)
        else:
            return
    first = failures[0]
    said = first.output.splitlines()[-1] if first.output else first.message.rpartition(": ")[2]
    hint = _ROOM if is_full(Path(tempfile.gettempdir())) else _AGAIN
    raise SsiumlError(f"{name}: cannot be unpacked by {tool.name}: {said.strip()}", hint=hint) from first


def _possible_sizes(form: str, path: Path) -> list[int]:
    """Return how long the compressed data can be, the likeliest length first.

    bsdtar fills the last block of a pipe with zeros, which not all programs ignore. The data themselves may
    end with some: lz4's with four, if they have no checksum.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - CHUNK_BYTES, 0))
        tail = stream.read()
    zeros = len(tail) - len(tail.rstrip(b"\0"))
    if zeros <= _MOST_ZEROS or form not in _NEED_THE_END:
        return [size]
    return [size - zeros + more for more in (0, 4, 1, 2, 3)]


def _copied(stream: IO[bytes], name: str, target: IO[bytes]) -> Path:
    """Copy all of *stream* to the temporary file *target*, with holes for zeros. Return the file's path."""
    done = 0
    while chunk := stream.read(CHUNK_BYTES):
        try:
            write_sparsely(target, chunk)
            target.flush()
        except OSError as error:
            folder = tempfile.gettempdir()
            raise SsiumlError(
                f"{name}: cannot be copied to {folder}: {error.strerror}",
                hint=_ROOM if error.errno in _FULL else None,
            ) from error
        done += len(chunk)
    target.truncate(done)
    return _path_of(target)


def _path_of(file: IO[bytes]) -> Path:
    """Return the path of a file without a name. It works in this process and its children."""
    return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
