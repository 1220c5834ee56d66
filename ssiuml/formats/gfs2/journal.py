"""Empty GFS2 journals: log headers with both checksums that mark the file system as cleanly unmounted.

lh_hash is CRC-32. lh_crc is CRC-32C (Castagnoli): reflected, from all ones, not inverted at the end.
Source: linux/gfs2_ondisk.h; RFC 3720, appendix B.4, for the polynomial; the missing inversion is measured.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from ssiuml.formats.gfs.inode_writer import PlacedContent
from ssiuml.formats.gfs.pointer_tree import MappedRun
from ssiuml.formats.gfs2.structures import LogHeader

_CRC_FROM: Final = LogHeader.offset_of("lh_nsec")
_HASH_UP_TO: Final = LogHeader.offset_of("lh_crc")
_CRC32C_POLYNOMIAL: Final = 0x82F63B78
_CRC32C_START: Final = 0xFFFFFFFF


def log_header(header: LogHeader, block_size: int) -> bytes:
    """Return the 120 bytes of a log header with both its checksums; the rest of its block is zeros.

    lh_hash covers the bytes before lh_crc, with lh_hash 0. lh_crc covers those behind it, to the block's end.
    """
    plain = replace(header, lh_hash=0, lh_crc=0).pack()
    hash_ = zlib.crc32(plain[:_HASH_UP_TO])
    crc = _zeros(block_size - len(plain)).after(crc32c(plain[_CRC_FROM:]))
    return replace(header, lh_hash=hash_, lh_crc=crc).pack()


@dataclass(frozen=True, slots=True)
class Journal(PlacedContent):
    """The contents of a journal; all blocks are allocated, but in the image most of them may be holes.

    fsck.gfs2 and the kernel look for the highest sequence number. The kernel reads the journal from its
    beginning and stops where the number falls. So it is in the first block, and the second block has the
    lowest one: the kernel reads a few MiB of each journal instead of all. fsck.gfs2 needs one more in the
    middle. With *full*, every block has one, as mkfs.gfs2 writes them; *first_sequence* is that of the first
    block, for which mkfs.gfs2 takes a random number.
    """

    blocks: int
    block_size: int
    full: bool = False
    first_sequence: int = -1  # modulo the number of blocks

    @property
    def size_bytes(self) -> int:
        return self.blocks * self.block_size

    def chunks(self) -> Iterator[bytes]:
        raise TypeError("a journal's bytes depend on its addresses: use blocks_at")

    def blocks_at(self, inode_address: int, mapped: Sequence[MappedRun]) -> Iterator[tuple[int, bytes]]:
        """Yield (address, log header) of every block that has a log header."""
        wanted = range(self.blocks) if self.full else sorted({0, 1, self.blocks // 2})
        for index, first, count in mapped:
            for number in range(index, index + count) if self.full else wanted:
                if index <= number < index + count:
                    address = first + number - index
                    yield address, self.header(number, address, inode_address)

    def header(self, number: int, address: int, inode_address: int) -> bytes:
        """Return the log header of block *number* of the journal, which lies at *address*."""
        header = LogHeader(
            lh_sequence=(self.first_sequence + number) % self.blocks,
            lh_blkno=number,
            lh_addr=address,
            lh_jinode=inode_address,
        )
        return log_header(header, self.block_size)


def _crc32c_table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_CRC32C_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_CRC32C_TABLE: Final = _crc32c_table()


def crc32c(data: bytes, state: int = _CRC32C_START) -> int:
    """Return the CRC-32C of *data*; *state* is that of the bytes before it."""
    for byte in data:
        state = _CRC32C_TABLE[(state ^ byte) & 0xFF] ^ state >> 8
    return state


class ZeroBytes:
    """Continues a CRC-32C over a fixed number of zero bytes in one step.

    The checksum is linear over bits: the effect of zeros on a state is the sum of their effects on its bits.
    """

    def __init__(self, count: int) -> None:
        bits = [1 << number for number in range(32)]
        step = [crc32c(b"\0", bit) for bit in bits]
        # Square and multiply: the effect of *count* zeros from that of one.
        while count:
            if count & 1:
                bits = [_apply(step, bit) for bit in bits]
            step = [_apply(step, column) for column in step]
            count >>= 1
        # Four tables, one for each byte of the state, so that a step is four lookups.
        self._tables = [
            [_apply(bits[8 * place : 8 * place + 8], value) for value in range(256)] for place in range(4)
        ]

    def after(self, state: int) -> int:
        """Return the checksum that follows *state* when the zeros follow."""
        first, second, third, fourth = self._tables
        return first[state & 255] ^ second[state >> 8 & 255] ^ third[state >> 16 & 255] ^ fourth[state >> 24]


@lru_cache(maxsize=8)
def _zeros(count: int) -> ZeroBytes:
    return ZeroBytes(count)


def _apply(columns: list[int], value: int) -> int:
    result = 0
    for column in columns:
        if value & 1:
            result ^= column
        value >>= 1
    return result
