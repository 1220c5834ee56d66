"""The file system in an image: its superblock, its blocks with checked headers, and Damaged for errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs import structures as gfs
from ssiuml.formats.gfs.pointer_tree import BlockLayout
from ssiuml.formats.gfs.structures import (
    BLOCK_SIZES,
    MAGIC,
    SUPERBLOCK_BYTES,
    MetaHeader,
    MetaType,
    meta_header,
)
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.device import ImageDevice, superblock_sector

_GFS1_FORMATS: Final = (*gfs1.OLD_FORMATS, gfs1.FORMAT)
_GFS2_FORMATS: Final = (gfs2.FORMAT_1801, gfs2.FORMAT_1802)


class Damaged(SsiumlError):  # noqa: N818 - callers also collect these as findings
    """*structure* in *block* contradicts the format."""

    def __init__(self, block: int, structure: str, problem: str) -> None:
        super().__init__(f"block {block}: {structure}: {problem}")
        self.block = block


Report = Callable[[Damaged], None]
# Called with a block's number before the block is read; raises Damaged if the block has another use.
Claim = Callable[[int], None]


class NoFilesystemError(SsiumlError):
    """An image has no GFS superblock, or the superblock contradicts itself."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A file system on a device."""

    device: ImageDevice
    superblock: gfs1.Superblock | gfs2.Superblock
    block_layout: BlockLayout
    blocks: int  # of the image; valid pointers are below

    @property
    def is_gfs1(self) -> bool:
        return isinstance(self.superblock, gfs1.Superblock)

    @property
    def block_size(self) -> int:
        return self.block_layout.block_size

    @property
    def root(self) -> int:
        """The root directory's block."""
        superblock = self.superblock
        if isinstance(superblock, gfs1.Superblock):
            return superblock.sb_root_di.no_addr
        return superblock.sb_root_dir.no_addr

    @property
    def superblock_block(self) -> int:
        """The superblock's own block."""
        return SUPERBLOCK_BYTES // self.block_size

    def require_inside(self, address: int, owner: int, structure: str) -> None:
        """Raise Damaged if *address*, a pointer in *structure* of block *owner*, is outside."""
        if not self.superblock_block < address < self.blocks:
            raise Damaged(owner, structure, f"points to block {address}, which is not in the file system")

    def block(self, address: int, owner: int, structure: str) -> bytes:
        """Return the block to which *structure* in block *owner* points. Raise Damaged if it is outside."""
        self.require_inside(address, owner, structure)
        data = self.device.read(address * self.block_size, self.block_size)
        if len(data) < self.block_size:
            raise Damaged(owner, structure, f"points to block {address}, which cannot be read")
        return data

    def metadata(self, address: int, kind: MetaType, owner: int, structure: str) -> bytes:
        """Return a block as *block* does. Raise Damaged, too, if its header is not that of *kind*."""
        data = self.block(address, owner, structure)
        check_header(data, kind, address)
        return data


def check_header(data: bytes, kind: MetaType, address: int) -> None:
    """Raise Damaged unless the metadata header in *data* of block *address* is that of *kind*."""
    header, wanted = MetaHeader.unpack(data), meta_header(kind)
    seen = (header.mh_magic, header.mh_type, header.mh_format)
    if seen != (MAGIC, wanted.mh_type, wanted.mh_format):
        raise Damaged(
            address,
            f"{kind.name} header",
            f"magic 0x{seen[0]:08x}, type {seen[1]}, format {seen[2]} instead of "
            f"0x{MAGIC:08x}, {int(kind)}, {wanted.mh_format}",
        )


def read_filesystem(device: ImageDevice) -> Filesystem:
    """Read the superblock. Raise NoFilesystemError, with the values found, if it is missing or wrong."""
    sector = superblock_sector(device)
    where = f"at byte {SUPERBLOCK_BYTES}"
    if len(sector) < gfs1.Superblock.size_bytes():
        raise NoFilesystemError(
            f"has {device.size_bytes} bytes, a GFS superblock lies {where}",
            hint="check whether the image is cut off",
        )
    header = MetaHeader.unpack(sector)
    if (header.mh_magic, header.mh_type) != (MAGIC, MetaType.SB):
        raise NoFilesystemError(
            f"has no GFS superblock {where}: 0x{header.mh_magic:08x} instead of the magic 0x{MAGIC:08x}"
        )
    old = gfs1.Superblock.unpack(sector)
    superblock: gfs1.Superblock | gfs2.Superblock = old
    header_bytes = gfs1.IndirectHeader.size_bytes()
    if old.sb_fs_format in _GFS2_FORMATS:
        superblock, header_bytes = gfs2.Superblock.unpack(sector), gfs.META_HEADER_BYTES
    elif old.sb_fs_format not in _GFS1_FORMATS:
        known = ", ".join(map(str, (*_GFS1_FORMATS, *_GFS2_FORMATS)))
        raise NoFilesystemError(f"has the format {old.sb_fs_format}; the known ones are {known}")
    size = old.sb_bsize
    if size not in BLOCK_SIZES or size.bit_length() - 1 != old.sb_bsize_shift:
        raise NoFilesystemError(f"has blocks of {size} bytes, 2 to the power of {old.sb_bsize_shift}")
    return Filesystem(device, superblock, BlockLayout(size, header_bytes), device.size_bytes // size)
