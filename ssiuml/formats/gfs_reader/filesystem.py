"""The file system in an image: which generation, how large its blocks are, and its blocks, checked."""

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
from ssiuml.formats.gfs_reader.damage import Damaged
from ssiuml.formats.gfs_reader.device import Source, superblock_sector

_GFS1_FORMATS: Final = (*gfs1.OLD_FORMATS, gfs1.FORMAT)
_GFS2_FORMATS: Final = (gfs2.FORMAT_1801, gfs2.FORMAT_1802)


class NoFilesystemError(SsiumlError):
    """There is no GFS in an image, or its superblock makes no sense."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A file system and where its bytes are."""

    source: Source
    superblock: gfs1.Superblock | gfs2.Superblock
    shape: BlockLayout
    blocks: int  # in the image; pointers lead to these

    @property
    def is_gfs1(self) -> bool:
        return isinstance(self.superblock, gfs1.Superblock)

    @property
    def block_size(self) -> int:
        return self.shape.block_size

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
        """Damaged if *address*, which stands in *structure* of block *owner*, is no block for files."""
        if not self.superblock_block < address < self.blocks:
            raise Damaged(owner, structure, f"points to block {address}, which is not in the file system")

    def block(self, address: int, owner: int, structure: str) -> bytes:
        """The block at *address*, to which *structure* in block *owner* points; Damaged if it is outside."""
        self.require_inside(address, owner, structure)
        data = self.source.read(address * self.block_size, self.block_size)
        if len(data) < self.block_size:
            raise Damaged(owner, structure, f"points to block {address}, which cannot be read")
        return data

    def metadata(self, address: int, kind: MetaType, owner: int, structure: str) -> bytes:
        """The block at *address*, which has to be of this kind; Damaged otherwise."""
        data = self.block(address, owner, structure)
        check_header(data, kind, address)
        return data


def check_header(data: bytes, kind: MetaType, address: int) -> None:
    """Damaged unless the metadata header at the begin of block *address* is that of *kind*."""
    header, wanted = MetaHeader.unpack(data), meta_header(kind)
    seen = (header.mh_magic, header.mh_type, header.mh_format)
    if seen != (MAGIC, wanted.mh_type, wanted.mh_format):
        raise Damaged(
            address,
            f"{kind.name} header",
            f"magic 0x{seen[0]:08x}, type {seen[1]}, format {seen[2]} instead of "
            f"0x{MAGIC:08x}, {int(kind)}, {wanted.mh_format}",
        )


def read_filesystem(source: Source) -> Filesystem:
    """Look at the superblock; NoFilesystemError, with what is there, if it is none or contradicts itself."""
    sector = superblock_sector(source)
    where = f"at byte {SUPERBLOCK_BYTES}"
    if len(sector) < gfs1.Superblock.size_bytes():
        raise NoFilesystemError(
            f"has {source.size_bytes} bytes, a GFS superblock lies {where}", hint="is the image cut off?"
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
        raise NoFilesystemError(f"has the format {old.sb_fs_format}; known are {known}")
    size = old.sb_bsize
    if size not in BLOCK_SIZES or size.bit_length() - 1 != old.sb_bsize_shift:
        raise NoFilesystemError(f"has blocks of {size} bytes, 2 to the power of {old.sb_bsize_shift}")
    return Filesystem(source, superblock, BlockLayout(size, header_bytes), source.size_bytes // size)
