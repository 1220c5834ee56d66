"""Writes the blocks of an image file: gathers adjacent blocks and writes them in one call.

Another thread makes these calls, and has the kernel copy large files. Meanwhile Python works on the next
inodes. Small files are read here: the other thread would wait for Python's lock after each of its calls.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Final

from ssiuml.formats.gfs.contents import HostFiles, changed_error, unreadable_error
from ssiuml.tree.extents import Extents, Piece, pieces_between
from ssiuml.tree.tree import Content, Extent

# Small enough for a processor's cache: gathered blocks are read again at once.
_STAGE_BYTES: Final = 512 << 10
_STAGES: Final = 4  # one is filled, the others wait to be written
# From this size on, the kernel copies from file to file; below it, one call for many files is faster.
_DIRECT_BYTES: Final = 256 << 10
_NO_FILE_TO_FILE: Final = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class BlockWriter:
    """Writes blocks to an open file that is one hole; all are written when the context ends.

    No block is written twice, so their order does not matter. Block 0 lies at byte *origin_bytes* of the
    file: on the device of a pool it lies behind the label.
    """

    def __init__(
        self, descriptor: int, block_size: int, host_files: HostFiles, origin_bytes: int = 0
    ) -> None:
        self.block_size = block_size
        self._origin = origin_bytes
        self._size = max(_STAGE_BYTES, block_size)
        self._zeros = memoryview(bytes(block_size))
        self._host_files = host_files
        self._descriptor = descriptor
        self._copier = _Copier(descriptor)
        self._stage = bytearray(self._size)
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        for _ in range(_STAGES - 1):
            self._free.put(bytearray(self._size))
        self._start = self._used = 0

    def __enter__(self) -> "BlockWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        whole = False
        try:
            if kind is None:
                self._flush()
                whole = True
        finally:
            self._copier.end(give_up=not whole)

    def flush(self) -> None:
        """Pass all blocks so far to the kernel. Raise the error of a copy that failed."""
        self._flush()
        self._copier.wait()

    def _flush(self) -> None:
        if self._used:
            self._copier.write(self._stage, self._used, self._start, self._free)
            self._stage = self._free.get()
            self._used = 0

    def reserve(self, address: int, blocks: int = 1) -> tuple[bytearray, int]:
        """Return a buffer, and the offset in it at which the caller writes *blocks* blocks for *address*.

        The caller sets every byte of them. Any call except read_content makes buffer and offset invalid.
        """
        position, length = self._position(address), blocks * self.block_size
        if position != self._start + self._used or self._used + length > self._size:
            self._flush()
            self._start = position
        offset = self._used
        self._used += length
        return self._stage, offset

    def _position(self, address: int) -> int:
        return self._origin + address * self.block_size

    def write(self, address: int, data: bytes | bytearray) -> None:
        """Write *data* at *address*, and zeros to the end of its last block."""
        if len(data) > self._size:
            _write_at(self._descriptor, memoryview(data), self._position(address))
            return
        blocks = -(-len(data) // self.block_size)
        stage, offset = self.reserve(address, blocks)
        end = offset + len(data)
        stage[offset:end] = data
        stage[end : offset + blocks * self.block_size] = bytes(blocks * self.block_size - len(data))

    def read_content(self, content: Content, stage: bytearray, offset: int, size_bytes: int) -> None:
        """Read a small file into *stage* at *offset*. Raise TreeError if it is shorter or cannot be read."""
        if isinstance(content, Extent | Extents):
            self._read(content, 0, stage, offset, offset + size_bytes)
            return
        data = b"".join(content.chunks())
        if len(data) != size_bytes:
            raise changed_error("a file", size_bytes)
        stage[offset : offset + size_bytes] = data

    def copy_content(self, content: Extent | Extents, skip_bytes: int, size_bytes: int, address: int) -> None:
        """Copy a part of a host file to the blocks from *address* on. Raise TreeError if it is shorter."""
        if size_bytes >= _DIRECT_BYTES:
            # Bytes that no piece covers, and bytes behind the last one, stay a hole of the image.
            parts = pieces_between(content, skip_bytes, skip_bytes + size_bytes)
            self._copier.copy(content, parts, self._position(address) - skip_bytes)
            return
        blocks = -(-size_bytes // self.block_size)
        stage, offset = self.reserve(address, blocks)
        end = offset + size_bytes
        padded = offset + blocks * self.block_size
        if end < padded:
            stage[end:padded] = self._zeros[: padded - end]
        self._read(content, skip_bytes, stage, offset, end)

    def _read(
        self, content: Extent | Extents, skip_bytes: int, stage: bytearray, offset: int, end: int
    ) -> None:
        """Fill *stage* from *offset* to *end* with the contents behind *skip_bytes*; holes become zeros."""
        host_file = self._host_files.descriptor(content.path)
        with memoryview(stage) as view:
            if isinstance(content, Extents):
                view[offset:end] = bytes(end - offset)
            # The offset in the stage of the contents' first byte; it may be negative.
            origin = offset - skip_bytes
            for start, position, length in pieces_between(content, skip_bytes, end - origin):
                place, behind = origin + start, origin + start + length
                while place < behind:
                    try:
                        got = os.preadv(host_file, [view[place:behind]], position)
                    except OSError as error:
                        raise unreadable_error(str(content.path), error) from error
                    if not got:
                        raise changed_error(str(content.path), content.size_bytes)
                    place, position = place + got, position + got


class _Copier:
    """A thread that copies files, one after the other; the next call raises its errors."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._copy_range = True
        self._host_files = HostFiles()  # the thread's own: the writer's may close a file during its copy
        self._thread = Thread(target=self._run, name="copier")
        self._thread.start()

    def copy(self, content: Extent | Extents, parts: Sequence[Piece], position: int) -> None:
        """Copy *parts* of *content*; its first byte belongs at byte *position* of the image."""
        self._raise_error()
        self._jobs.put(partial(self._copy, content, parts, position))

    def write(self, stage: bytearray, size_bytes: int, position: int, free: "SimpleQueue[bytearray]") -> None:
        """Write the first *size_bytes* of *stage* at byte *position* of the image, then add it to *free*."""
        self._raise_error()
        self._jobs.put(partial(self._write, stage, size_bytes, position, free))

    def wait(self) -> None:
        """Wait until all copies and writes are done."""
        done = Event()
        self._jobs.put(done.set)
        done.wait()
        self._raise_error()

    def end(self, give_up: bool) -> None:
        """Wait for all copies and raise an error of theirs, or *give_up* those that have not begun."""
        if give_up and self._error is None:
            self._error = InterruptedError("given up")
        self._jobs.put(None)
        self._thread.join()
        if not give_up:
            self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        with self._host_files:
            while (job := self._jobs.get()) is not None:
                try:
                    job()
                except BaseException as error:
                    self._error = error

    def _write(
        self, stage: bytearray, size_bytes: int, position: int, free: "SimpleQueue[bytearray]"
    ) -> None:
        try:
            if self._error is None:
                with memoryview(stage) as view:
                    _write_at(self._descriptor, view[:size_bytes], position)
        finally:
            free.put(stage)  # in any case: the other thread may be waiting for it

    def _copy(self, content: Extent | Extents, parts: Sequence[Piece], position: int) -> None:
        host_file = self._host_files.descriptor(content.path)
        for offset, start, length in parts:
            place = position + offset
            while length and self._error is None:
                copied = self._copy_some(host_file, start, length, place)
                if not copied:
                    raise changed_error(str(content.path), content.size_bytes)
                start, place, length = start + copied, place + copied, length - copied

    def _copy_some(self, host_file: int, start: int, size: int, position: int) -> int:
        if self._copy_range:
            try:
                return os.copy_file_range(host_file, self._descriptor, size, start, position)
            except OSError as error:
                if error.errno not in _NO_FILE_TO_FILE:
                    raise
                self._copy_range = False  # the file lies on a file system of another type
        os.lseek(self._descriptor, position, os.SEEK_SET)
        return os.sendfile(self._descriptor, host_file, start, size)


def _write_at(descriptor: int, data: memoryview, position: int) -> None:
    """Write all of *data* at byte *position* of an open file."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], position + done)


def blocks_of(chunks: Iterator[bytes], block_size: int) -> Iterator[bytes]:
    """Regroup *chunks* into pieces of whole blocks; only the last piece may end within a block."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        whole = len(data) - len(data) % block_size
        if whole:
            yield data[:whole]
        rest = data[whole:]
    if rest:
        yield rest
