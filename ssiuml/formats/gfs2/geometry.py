"""Positions of the resource groups of a GFS2 file system, as mkfs.gfs2 3.5.0 places them in a file.

Behind the superblock lies one resource group for each journal, just large enough for it; then follow the
groups for files. Source: measurements of images that mkfs.gfs2 made.
"""

from dataclasses import dataclass
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.pointer_tree import BlockLayout, full_tree
from ssiuml.formats.gfs.resource_groups import BLOCKS_PER_BYTE, RGRP_HEADER_BYTES, ResourceGroup
from ssiuml.formats.gfs.structures import META_HEADER_BYTES, SUPERBLOCK_BYTES
from ssiuml.formats.gfs2.structures import Rgrp
from ssiuml.formats.limits import GFS2_BYTES_MAX
from ssiuml.units import GIB, MIB, format_size

BLOCK_SIZES: Final = (512, 1024, 2048, 4096)  # Linux takes no block larger than a page
JOURNALS_MAX: Final = 256
JOURNAL_BYTES_MIN: Final = 8 * MIB  # Linux reports a smaller journal as an inconsistency
JOURNAL_BYTES_MAX: Final = GIB
QUOTA_CHANGE_BYTES: Final = (
    MIB  # for each node; mkfs.gfs2 has an option for it, but fsck.gfs2 accepts no other size
)
RGRP_BYTES: Final = 256 * MIB  # mkfs.gfs2 -r
RGRP_BYTES_MIN: Final = 32 * MIB
RGRP_BYTES_MAX: Final = 2 * GIB

assert Rgrp.size_bytes() == RGRP_HEADER_BYTES  # noqa: S101 - checks the declaration, not an input


class GeometryError(SsiumlError):
    """A size is out of bounds, or the sizes do not fit together."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes from which the positions of all resource groups follow.

    The names of the class and its fields enter the UUID that writer.Settings.image_uuid derives.
    """

    size_bytes: int
    block_size: int = 4096
    journals: int = 1
    journal_bytes: int = 32 * MIB
    rgrp_bytes: int = RGRP_BYTES

    def __post_init__(self) -> None:
        if self.block_size not in BLOCK_SIZES:
            sizes = ", ".join(map(str, BLOCK_SIZES))
            raise GeometryError(f"block size {self.block_size}: GFS2 on Linux takes {sizes}")
        if not 1 <= self.journals <= JOURNALS_MAX:
            raise GeometryError(f"{self.journals} journals: there can be 1 to {JOURNALS_MAX}")
        for name, value, least, most in (
            ("journal size", self.journal_bytes, JOURNAL_BYTES_MIN, JOURNAL_BYTES_MAX),
            ("resource group size", self.rgrp_bytes, RGRP_BYTES_MIN, RGRP_BYTES_MAX),
        ):
            if not least <= value <= most or value % MIB:
                raise GeometryError(
                    f"{name} {format_size(value, exact=True)}: must be whole MiB, "
                    f"from {format_size(least)} to {format_size(most)}"
                )
        if self.size_bytes > GFS2_BYTES_MAX:
            raise GeometryError(
                f"{format_size(self.size_bytes)} is too large: at most {format_size(GFS2_BYTES_MAX)}"
            )
        if self.end <= self.first_free:
            least_bytes = (self.first_free + self.journals) * self.block_size
            raise GeometryError(
                f"{format_size(self.size_bytes)} is too small for {self.journals} journals of "
                f"{format_size(self.journal_bytes)}, which need more than {format_size(least_bytes)}",
                hint="make the image larger, or the journals smaller or fewer",
            )

    @property
    def block_layout(self) -> BlockLayout:
        return BlockLayout(self.block_size, META_HEADER_BYTES)

    @property
    def end(self) -> int:
        """Blocks of the file system; an incomplete block at the image's end is not used."""
        return self.size_bytes // self.block_size

    @property
    def superblock(self) -> int:
        """Block number of the superblock."""
        return SUPERBLOCK_BYTES // self.block_size

    @property
    def journal_blocks(self) -> int:
        """Blocks of a journal's contents."""
        return self.journal_bytes // self.block_size

    @property
    def first_free(self) -> int:
        """The first block behind the journals' resource groups."""
        return self.superblock + 1 + self.journals * self._journal_rgrp_blocks()

    def _journal_rgrp_data(self) -> int:
        """Return the data blocks of a journal's resource group: dinode, indirect blocks and contents."""
        tree = full_tree(self.block_layout, self.journal_bytes)
        return _round_up(1 + tree.indirect_blocks + tree.data_blocks)

    def _journal_rgrp_blocks(self) -> int:
        data = self._journal_rgrp_data()
        first, more = self._covered()
        return data + 1 + max(0, -(-(data - first) // more))

    def _covered(self) -> tuple[int, int]:
        """Return how many blocks the bitmap in a group's first block covers, and in each further block."""
        first = BLOCKS_PER_BYTE * (self.block_size - RGRP_HEADER_BYTES)
        return first, BLOCKS_PER_BYTE * (self.block_size - META_HEADER_BYTES)

    def groups(self) -> list[ResourceGroup]:
        """Return all resource groups in the order of their addresses, with no block used."""
        data, blocks = self._journal_rgrp_data(), self._journal_rgrp_blocks()
        start = self.superblock + 1
        groups = [
            ResourceGroup(start + number * blocks, blocks - data, data) for number in range(self.journals)
        ]
        address = self.first_free
        for length in self._lengths(self.end - address):
            if address + length > self.end:
                break
            groups.append(self._group(address, length))
            address += length
        return groups

    def _lengths(self, space: int) -> list[int]:
        """Return the lengths of the groups that share *space* blocks: two lengths, one block apart."""
        long = self.rgrp_bytes // self.block_size
        number = space // long
        if space % long or not number:
            number += 1
        while (long - 1) * number >= space:
            long -= 1
        short, short_number = long - 1, 0
        while long * number + short * short_number >= space and number:
            number, short_number = number - 1, short_number + 1
        return [long] * number + [short] * short_number

    def _group(self, address: int, length: int) -> ResourceGroup:
        first, more = self._covered()
        further = 0
        while first + more * further < _round_down(length - further):
            further += 1
        mappable = first + more * (further - 1) if further else 0
        data = _round_down(length - (further + 1))
        if mappable < data:
            further += 1
        return ResourceGroup(address, further, data)


def _round_up(blocks: int) -> int:
    return -(-blocks // BLOCKS_PER_BYTE) * BLOCKS_PER_BYTE


def _round_down(blocks: int) -> int:
    return blocks - blocks % BLOCKS_PER_BYTE
