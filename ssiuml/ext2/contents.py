"""Where the bytes of an ext2 file lie: direct blocks, and up to three levels of blocks of pointers."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ssiuml.ext2.filesystem import Ext2
from ssiuml.ext2.structures import DIRECT_BLOCKS
from ssiuml.tree import CHUNK_BYTES, read_exactly


class Run(NamedTuple):
    """Blocks of a file that follow one another on the disk, too."""

    first: int  # in the file
    address: int  # of the first in the image
    blocks: int


@dataclass(frozen=True, slots=True)
class Ext2Content:
    """The contents of a file in an image; where there is no run there are zeros."""

    path: Path
    size_bytes: int
    block_size: int
    runs: tuple[Run, ...]

    def chunks(self) -> Iterator[bytes]:
        """Yield everything, the holes' zeros too; TreeError if the image has become shorter."""
        done = 0
        with self.path.open("rb", buffering=0) as stream:
            for run in self.runs:
                start = run.first * self.block_size
                yield from _zeros(start - done)
                length = min(run.blocks * self.block_size, self.size_bytes - start)
                stream.seek(run.address * self.block_size)
                yield from read_exactly(stream, length, str(self.path))
                done = start + length
        yield from _zeros(self.size_bytes - done)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, CHUNK_BYTES))
        count -= CHUNK_BYTES


def runs_of(image: Ext2, pointers: bytes, size_bytes: int, where: str) -> tuple[Run, ...]:
    """The runs of a file with these *pointers* (i_block); Ext2Error if one leads out of the image.

    Also if more blocks are pointed to than there are, so that a damaged file cannot be without end.
    """
    runs: list[Run] = []
    most = -(-size_bytes // image.block_size)
    for number, (index, address) in enumerate(_blocks(image, pointers, most, where)):
        if number >= image.blocks:
            raise image.damaged(where, f"points to more than all {image.blocks} blocks")
        last = runs[-1] if runs else None
        if last and last.first + last.blocks == index and last.address + last.blocks == address:
            runs[-1] = Run(last.first, last.address, last.blocks + 1)
        else:
            runs.append(Run(index, address, 1))
    for run in runs:
        image.require_inside(run.address, run.blocks, where)
    return tuple(runs)


def _blocks(image: Ext2, pointers: bytes, most: int, where: str) -> Iterator[tuple[int, int]]:
    """Yield index and address of every block before the index *most* that is no hole."""
    addresses = struct.unpack("<15I", pointers)
    for index, address in enumerate(addresses[:DIRECT_BLOCKS]):
        if address and index < most:
            yield index, address
    first = DIRECT_BLOCKS
    per_block = image.block_size // 4
    for level in (1, 2, 3):
        if addresses[DIRECT_BLOCKS + level - 1]:
            yield from _below(image, addresses[DIRECT_BLOCKS + level - 1], level, first, most, where)
        first += per_block**level
    if most > first:
        raise image.damaged(where, f"has {most} blocks, at most {first} can be pointed to")


def _below(
    image: Ext2, address: int, level: int, first: int, most: int, where: str
) -> Iterator[tuple[int, int]]:
    per_block = image.block_size // 4
    span = per_block ** (level - 1)
    if first >= most:
        return
    for number, pointer in enumerate(struct.unpack(f"<{per_block}I", image.block(address, where))):
        index = first + number * span
        if index >= most:
            return
        if pointer and level == 1:
            yield index, pointer
        elif pointer:
            yield from _below(image, pointer, level - 1, index, most, where)
