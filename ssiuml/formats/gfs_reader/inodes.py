"""Reads inodes of GFS1 and GFS2 in one form, and checks that their fields fit together."""

from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.structures import DEPTH_MAX, DINODE_BYTES, HEIGHT_MAX, Flag, MetaType
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs1.inode_format import FILE_TYPES
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs2.inode_format import DIRENT_TYPES
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem
from ssiuml.tree.tree import Kind

_NS: Final = 1_000_000_000
_KIND_OF_GFS1: Final = {int(number): kind for kind, number in FILE_TYPES.items()}
_KIND_OF_GFS2: Final = {number: kind for kind, number in DIRENT_TYPES.items()}
_MAX_SIZE_BYTES: Final = (1 << 63) - 1  # loff_t


@dataclass(frozen=True, slots=True)
class Inode:
    """A dinode; *body* holds the bytes behind it in its block."""

    address: int
    formal_ino: int
    kind: Kind
    mode: int
    uid: int
    gid: int
    links: int
    size_bytes: int
    blocks: int
    mtime_ns: int
    device: tuple[int, int]
    flags: int
    payload_format: int
    height: int
    depth: int
    entries: int
    eattr: int
    body: bytes

    @property
    def is_hashed(self) -> bool:
        return bool(self.flags & Flag.EXHASH)


def kind_of_dirent(filesystem: Filesystem, number: int) -> Kind | None:
    """Return the kind of inode for a de_type, or None if the number has no meaning."""
    return (_KIND_OF_GFS1 if filesystem.is_gfs1 else _KIND_OF_GFS2).get(number)


def has_headers(filesystem: Filesystem, inode: Inode) -> bool:
    """Return whether a metadata header opens each data block of *inode*."""
    journaled = filesystem.is_gfs1 and bool(inode.flags & Flag.JDATA)
    return journaled or inode.kind is Kind.DIRECTORY


def read_inode(filesystem: Filesystem, address: int, owner: int, structure: str) -> Inode:
    """Return the inode at *address*, to which *structure* in block *owner* points.

    Raise Damaged if the block is no dinode or its fields contradict each other.
    """
    data = filesystem.metadata(address, MetaType.DI, owner, structure)
    inode = _gfs1_inode(address, data) if filesystem.is_gfs1 else _gfs2_inode(address, data)
    _check(filesystem, inode)
    return inode


def _gfs1_inode(address: int, data: bytes) -> Inode:
    dinode = gfs1.Dinode.unpack(data)
    kind = _KIND_OF_GFS1.get(dinode.di_type)
    if kind is None:
        raise Damaged(address, "dinode", f"di_type {dinode.di_type} is no kind of file")
    if dinode.di_num.no_formal_ino != dinode.di_num.no_addr:
        raise Damaged(
            address,
            "dinode",
            f"no_formal_ino {dinode.di_num.no_formal_ino} is not equal to no_addr, as GFS1 requires",
        )
    return _inode(address, data, dinode, kind, dinode.di_mtime * _NS)


def _gfs2_inode(address: int, data: bytes) -> Inode:
    dinode = gfs2.Dinode.unpack(data)
    kind = _KIND_OF_GFS2.get(dinode.di_mode >> 12)
    if kind is None:
        raise Damaged(address, "dinode", f"di_mode 0{dinode.di_mode:o} is no kind of file")
    if dinode.di_mtime_nsec >= _NS:
        raise Damaged(address, "dinode", f"di_mtime_nsec {dinode.di_mtime_nsec} is a second or more")
    return _inode(address, data, dinode, kind, dinode.di_mtime * _NS + dinode.di_mtime_nsec)


def _inode(address: int, data: bytes, dinode: gfs1.Dinode | gfs2.Dinode, kind: Kind, mtime_ns: int) -> Inode:
    if dinode.di_num.no_addr != address:
        raise Damaged(address, "dinode", f"no_addr {dinode.di_num.no_addr} is not its own address")
    return Inode(
        address,
        dinode.di_num.no_formal_ino,
        kind,
        dinode.di_mode & 0o7777,
        dinode.di_uid,
        dinode.di_gid,
        dinode.di_nlink,
        dinode.di_size,
        dinode.di_blocks,
        mtime_ns,
        (dinode.di_major, dinode.di_minor),
        dinode.di_flags,
        dinode.di_payload_format,
        dinode.di_height,
        dinode.di_depth,
        dinode.di_entries,
        dinode.di_eattr,
        data[DINODE_BYTES:],
    )


def _check(filesystem: Filesystem, inode: Inode) -> None:
    def require(good: bool, problem: str) -> None:
        if not good:
            raise Damaged(inode.address, "dinode", problem)

    size, height = inode.size_bytes, inode.height
    require(inode.formal_ino != 0, "no_formal_ino is 0")
    require(height <= HEIGHT_MAX, f"di_height {height} is more than {HEIGHT_MAX}")
    require(size <= _MAX_SIZE_BYTES, f"di_size {size} is more than a file can have")
    if inode.kind is Kind.DIRECTORY:
        if inode.is_hashed:
            require(inode.depth <= DEPTH_MAX, f"di_depth {inode.depth} is more than {DEPTH_MAX}")
            require(size == 8 << inode.depth, f"di_size {size} is no table of depth {inode.depth}")
        else:
            require(height == 0, f"di_height {height} of a directory without leaves")
            return
    elif inode.kind is Kind.SYMLINK:
        most = filesystem.block_layout.stuffed_bytes - 1
        require(
            height == 0 and 1 <= size <= most, f"di_size {size} of a symbolic link, 1 to {most} is possible"
        )
        require(b"\0" not in inode.body[:size], "a NUL in the target of a symbolic link")
    # A kernel that extends a file without writing does not raise its height yet: only height 0 is exact.
    if inode.kind in (Kind.FILE, Kind.DIRECTORY) and height == 0:
        most = filesystem.block_layout.stuffed_bytes
        require(size <= most, f"di_height 0 cannot hold the {size} bytes of di_size")
