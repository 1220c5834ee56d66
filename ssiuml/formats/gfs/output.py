"""The image file as blocks: what follows one another is gathered and written in one call.

Large files are copied by the kernel, in a thread: meanwhile Python works on the next inodes.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Final

from ssiuml.formats.gfs.contents import Sources, changed, unreadable
from ssiuml.tree.extents import Extents, Piece, pieces_between
from ssiuml.tree.tree import Content, Extent

# Small enough for a processor's cache: what is gathered is read again at once.
_STAGE_BYTES: Final = 512 << 10
# From this size on, the kernel copies from file to file; below, one call for many files is faster.
_DIRECT_BYTES: Final = 256 << 10
_NO_FILE_TO_FILE: Final = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Output:
    """Writes blocks to an open file that was one hole before, at the latest when the context ends.

    No block is written twice, so the order in which that happens does not matter. Block 0 lies at byte
    *origin_bytes* of the file: behind the label where it is the device of a pool.
    """

    def __init__(self, number: int, block_size: int, sources: Sources, origin_bytes: int = 0) -> None:
        self.block_size = block_size
        self._origin = origin_bytes
        self._size = max(_STAGE_BYTES, block_size)
        self._zeros = memoryview(bytes(block_size))
        self._sources = sources
        self._number = number
        self._copier = _Copier(number)
        self._stage = bytearray(self._size)
        self._start = self._used = 0

    def __enter__(self) -> "Output":
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
        """Hand everything so far to the kernel, and raise what went wrong on the way."""
        self._flush()
        self._copier.wait()

    def _flush(self) -> None:
        if self._used:
            with memoryview(self._stage) as view:
                _write_at(self._number, view[: self._used], self._start)
            self._used = 0

    def room(self, address: int, blocks: int = 1) -> tuple[bytearray, int]:
        """A buffer, and where in it the caller has to put *blocks* blocks at *address*, every byte of them.

        Both are good until the next call of any method but read_in.
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

    def put(self, address: int, data: bytes | bytearray) -> None:
        """Write *data* at *address*; the last block is filled with zeros."""
        if len(data) > self._size:
            _write_at(self._number, memoryview(data), self._position(address))
            return
        blocks = -(-len(data) // self.block_size)
        stage, offset = self.room(address, blocks)
        end = offset + len(data)
        stage[offset:end] = data
        stage[end : offset + blocks * self.block_size] = bytes(blocks * self.block_size - len(data))

    def read_in(self, content: Content, stage: bytearray, offset: int, size_bytes: int) -> None:
        """Read all of a small file into *stage* at *offset*; TreeError if it is shorter or cannot be read."""
        if isinstance(content, Extent | Extents):
            self._read(content, 0, stage, offset, offset + size_bytes)
            return
        data = b"".join(content.chunks())
        if len(data) != size_bytes:
            raise changed("a file", size_bytes)
        stage[offset : offset + size_bytes] = data

    def copy(self, content: Extent | Extents, skip_bytes: int, size_bytes: int, address: int) -> None:
        """Copy a part of a file of the host to the blocks from *address* on; TreeError if it is shorter."""
        if size_bytes >= _DIRECT_BYTES:
            # What no segment covers, and what follows the last byte, is part of the hole that the image was.
            parts = pieces_between(content, skip_bytes, skip_bytes + size_bytes)
            self._copier.copy(content, parts, self._position(address) - skip_bytes)
            return
        blocks = -(-size_bytes // self.block_size)
        stage, offset = self.room(address, blocks)
        end = offset + size_bytes
        padded = offset + blocks * self.block_size
        if end < padded:
            stage[end:padded] = self._zeros[: padded - end]
        self._read(content, skip_bytes, stage, offset, end)

    def _read(
        self, content: Extent | Extents, skip_bytes: int, stage: bytearray, offset: int, end: int
    ) -> None:
        """Fill *stage* from *offset* to *end* with the contents behind *skip_bytes*, holes with zeros."""
        number = self._sources.descriptor(content.path)
        with memoryview(stage) as view:
            if isinstance(content, Extents):
                view[offset:end] = bytes(end - offset)
            # Where in the stage the contents would begin.
            origin = offset - skip_bytes
            for start, source, length in pieces_between(content, skip_bytes, end - origin):
                place, behind = origin + start, origin + start + length
                while place < behind:
                    try:
                        got = os.preadv(number, [view[place:behind]], source)
                    except OSError as error:
                        raise unreadable(str(content.path), error) from error
                    if not got:
                        raise changed(str(content.path), content.size_bytes)
                    place, source = place + got, source + got


class _Copier:
    """A thread that copies files, one after the other; its errors come out at the next call."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._copy_range = True
        self._sources = Sources()  # the thread's own: the other's may close a file while it is copied
        self._thread = Thread(target=self._run, name="copier")
        self._thread.start()

    def copy(self, content: Extent | Extents, parts: Sequence[Piece], position: int) -> None:
        """Copy parts of *content* to the image; byte *position* is where the contents would begin there."""
        self._complain()
        self._jobs.put(partial(self._copy, content, parts, position))

    def wait(self) -> None:
        """Wait until all that was asked for is done."""
        done = Event()
        self._jobs.put(done.set)
        done.wait()
        self._complain()

    def end(self, give_up: bool) -> None:
        """Wait until all is done, or give up what is not begun; raise what went wrong."""
        if give_up and self._error is None:
            self._error = InterruptedError("given up")
        self._jobs.put(None)
        self._thread.join()
        if not give_up:
            self._complain()

    def _complain(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        with self._sources:
            while (job := self._jobs.get()) is not None:
                try:
                    job()
                except BaseException as error:
                    self._error = error

    def _copy(self, content: Extent | Extents, parts: Sequence[Piece], position: int) -> None:
        number = self._sources.descriptor(content.path)
        for offset, source, length in parts:
            place = position + offset
            while length and self._error is None:
                copied = self._copy_some(number, source, length, place)
                if not copied:
                    raise changed(str(content.path), content.size_bytes)
                source, place, length = source + copied, place + copied, length - copied

    def _copy_some(self, number: int, source: int, size: int, position: int) -> int:
        if self._copy_range:
            try:
                return os.copy_file_range(number, self._number, size, source, position)
            except OSError as error:
                if error.errno not in _NO_FILE_TO_FILE:
                    raise
                self._copy_range = False  # the source lies on a file system of another type
        os.lseek(self._number, position, os.SEEK_SET)
        return os.sendfile(self._number, number, source, size)


def _write_at(number: int, data: memoryview, position: int) -> None:
    """Write all of *data* to byte *position* of an open file."""
    done = 0
    while done < len(data):
        done += os.pwrite(number, data[done:], position + done)


def blocks_of(chunks: Iterator[bytes], block_size: int) -> Iterator[bytes]:
    """Cut a stream into pieces of whole blocks, as large as they come; only the last may be shorter."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        whole = len(data) - len(data) % block_size
        if whole:
            yield data[:whole]
        rest = data[whole:]
    if rest:
        yield rest
