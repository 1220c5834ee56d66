"""The image file as blocks: what follows one another is gathered and written in one call."""

import errno
import os
from collections.abc import Iterator
from typing import Final

from ssiuml.gfs.contents import Sources, changed
from ssiuml.tree import Content, Extent

# Small enough for a processor's cache: what is gathered is read again at once.
_STAGE_BYTES: Final = 512 << 10
# From this size on, the kernel copies from file to file; below, one call for many files is faster.
_DIRECT_BYTES: Final = 256 << 10
_NO_FILE_TO_FILE: Final = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Output:
    """Writes blocks to an open file that was one hole before; flush() has to be called at the end.

    Block 0 lies at byte *origin_bytes* of the file: behind the label where it is the device of a pool.
    """

    def __init__(self, number: int, block_size: int, sources: Sources, origin_bytes: int = 0) -> None:
        self.block_size = block_size
        self.stage = bytearray(max(_STAGE_BYTES, block_size))
        self._view = memoryview(self.stage)
        self._zeros = memoryview(bytes(block_size))
        self._number = number
        self._origin = origin_bytes
        self._sources = sources
        self._start = self._used = 0
        self._copy_range = True

    def flush(self) -> None:
        """Hand everything that was gathered to the kernel."""
        done = 0
        while done < self._used:
            done += os.pwrite(self._number, self._view[done : self._used], self._start + done)
        self._used = 0

    def room(self, address: int, blocks: int = 1) -> int:
        """Where in the stage the caller has to put *blocks* blocks at *address*, every byte of them."""
        position, length = self._position(address), blocks * self.block_size
        if position != self._start + self._used or self._used + length > len(self.stage):
            self.flush()
            self._start = position
        offset = self._used
        self._used += length
        return offset

    def put(self, address: int, data: bytes | bytearray) -> None:
        """Write *data* at *address*; the last block is filled with zeros."""
        if len(data) > len(self.stage):
            self.put_bytes(address * self.block_size, data)
            return
        blocks = -(-len(data) // self.block_size)
        offset = self.room(address, blocks)
        end = offset + len(data)
        self.stage[offset:end] = data
        self.stage[end : offset + blocks * self.block_size] = bytes(blocks * self.block_size - len(data))

    def _position(self, address: int) -> int:
        return self._origin + address * self.block_size

    def put_bytes(self, position: int, data: bytes | bytearray) -> None:
        """Write *data* at a byte of the file system at once; what lies behind it stays as it is."""
        self.flush()
        position += self._origin
        done = 0
        while done < len(data):
            done += os.pwrite(self._number, memoryview(data)[done:], position + done)

    def read_in(self, content: Content, offset: int, size_bytes: int) -> None:
        """Read all of a small file into the stage at *offset*; TreeError if it is not *size_bytes* long."""
        if not isinstance(content, Extent):
            data = b"".join(content.chunks())
            if len(data) != size_bytes:
                raise changed("a file", size_bytes)
            self.stage[offset : offset + size_bytes] = data
            return
        number = self._sources.descriptor(content.path)
        end, source = offset + size_bytes, content.offset_bytes
        while offset < end:
            got = os.preadv(number, [self._view[offset:end]], source)
            if not got:
                raise changed(str(content.path), size_bytes)
            offset, source = offset + got, source + got

    def copy(self, extent: Extent, skip_bytes: int, size_bytes: int, address: int) -> None:
        """Copy a part of a file of the host to the blocks from *address* on; TreeError if it is shorter."""
        number = self._sources.descriptor(extent.path)
        source = extent.offset_bytes + skip_bytes
        if size_bytes >= _DIRECT_BYTES:
            self._copy_directly(number, source, size_bytes, self._position(address), extent)
            return
        blocks = -(-size_bytes // self.block_size)
        offset = self.room(address, blocks)
        end = offset + size_bytes
        padded = offset + blocks * self.block_size
        if end < padded:
            self.stage[end:padded] = self._zeros[: padded - end]
        while offset < end:
            got = os.preadv(number, [self._view[offset:end]], source)
            if not got:
                raise changed(str(extent.path), extent.size_bytes)
            offset, source = offset + got, source + got

    def _copy_directly(self, number: int, source: int, size: int, position: int, extent: Extent) -> None:
        # What follows the last byte in its block is part of the hole that the image was.
        self.flush()
        while size:
            copied = self._copy_some(number, source, size, position)
            if not copied:
                raise changed(str(extent.path), extent.size_bytes)
            source, position, size = source + copied, position + copied, size - copied

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
