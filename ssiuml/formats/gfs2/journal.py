"""Empty journals: log headers that say the file system was unmounted in order."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ssiuml.formats.gfs.shape import Piece
from ssiuml.formats.gfs.writing import Placed
from ssiuml.formats.gfs2.checksum import Zeros, crc32c
from ssiuml.formats.gfs2.structures import LogHeader

_CRC_FROM = LogHeader.offset_of("lh_nsec")
_HASH_UP_TO = LogHeader.offset_of("lh_crc")


@lru_cache(maxsize=8)
def _zeros(count: int) -> Zeros:
    return Zeros(count)


def log_header(header: LogHeader, block_size: int) -> bytes:
    """The block of a log header, with both its checksums; 120 bytes, the rest of the block is zeros.

    lh_hash is CRC-32 of what stands before lh_crc, lh_crc is CRC-32C of what comes behind it in the block.
    """
    plain = replace(header, lh_hash=0, lh_crc=0).pack()
    hash_ = zlib.crc32(plain[:_HASH_UP_TO])
    crc = _zeros(block_size - len(plain)).after(crc32c(plain[_CRC_FROM:]))
    return replace(header, lh_hash=hash_, lh_crc=crc).pack()


@dataclass(frozen=True, slots=True)
class Journal(Placed):
    """The contents of a journal; all blocks are allocated, but in the image most of them may be holes.

    Two headers, at the beginning and in the middle, are enough for fsck.gfs2 and the kernel, which look for
    the highest sequence number; *full* writes one into every block, as mkfs.gfs2 does. mkfs.gfs2 begins with
    a random *first_sequence*.
    """

    blocks: int
    block_size: int
    full: bool = False
    first_sequence: int = 0

    @property
    def size_bytes(self) -> int:
        return self.blocks * self.block_size

    def chunks(self) -> Iterator[bytes]:
        raise TypeError("a journal's bytes depend on where it lies: see blocks_at")

    def blocks_at(self, inode_address: int, pieces: Sequence[Piece]) -> Iterator[tuple[int, bytes]]:
        """Yield (address, log header) of every block that gets one."""
        wanted = range(self.blocks) if self.full else sorted({0, self.blocks // 2})
        for index, first, count in pieces:
            for number in range(index, index + count) if self.full else wanted:
                if index <= number < index + count:
                    address = first + number - index
                    yield address, self.header(number, address, inode_address)

    def header(self, number: int, address: int, inode_address: int) -> bytes:
        """The log header of block *number* of the journal, which lies at *address*."""
        header = LogHeader(
            lh_sequence=(self.first_sequence + number) % self.blocks,
            lh_blkno=number,
            lh_addr=address,
            lh_jinode=inode_address,
        )
        return log_header(header, self.block_size)
