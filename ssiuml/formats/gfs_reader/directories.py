"""Reads the entries of a directory without trusting them."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.structures import DEPTH_MAX, Dirent, Leaf, MetaType, PayloadFormat
from ssiuml.formats.gfs_reader.contents import read_contents
from ssiuml.formats.gfs_reader.filesystem import Claim, Damaged, Filesystem, Report
from ssiuml.formats.gfs_reader.inodes import Inode, kind_of_dirent
from ssiuml.tree.tree import Kind

_HEADER_BYTES: Final = Dirent.size_bytes()
_LEAF_BYTES: Final = Leaf.size_bytes()
_HASH_BITS: Final = 32
_TABLE_BYTES_MAX: Final = 8 << DEPTH_MAX


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """An entry of a directory; it lies in *block*."""

    block: int
    name: bytes
    formal_ino: int
    address: int
    kind: Kind


def read_directory(
    filesystem: Filesystem, inode: Inode, report: Report, claim: Claim
) -> Iterator[DirectoryEntry]:
    """Yield the entries of a directory, including '.' and '..'. Call *claim* before a leaf is read.

    Errors go to *report*; every entry that is still readable is yielded.
    """
    try:
        if inode.is_hashed:
            yield from _read_leaves(filesystem, inode, report, claim)
        else:
            start = filesystem.block_size - len(inode.body)
            block = bytes(start) + inode.body
            yield from _records(filesystem, inode.address, block, start, report)
    except Damaged as damage:
        report(damage)


def _read_leaves(
    filesystem: Filesystem, inode: Inode, report: Report, claim: Claim
) -> Iterator[DirectoryEntry]:
    table = read_contents(filesystem, inode, _TABLE_BYTES_MAX)
    slots = struct.unpack(f">{len(table) // 8}Q", table)
    number = 0
    while number < len(slots):
        address = slots[number]
        run = 1
        while number + run < len(slots) and slots[number + run] == address:
            run += 1
        try:
            yield from _read_chain(filesystem, inode, address, number, run, report, claim)
        except Damaged as damage:
            report(damage)
        number += run


def _read_chain(
    filesystem: Filesystem,
    inode: Inode,
    address: int,
    slot: int,
    run: int,
    report: Report,
    claim: Claim,
) -> Iterator[DirectoryEntry]:
    """Yield the entries of the leaf at *address* and of the leaves chained to it.

    *run* slots of the hash table, from *slot* on, point to the leaf.
    """
    owner, structure = inode.address, f"hash table, slot {slot}"
    while address:
        filesystem.require_inside(address, owner, structure)
        claim(address)
        block = filesystem.metadata(address, MetaType.LF, owner, structure)
        leaf = Leaf.unpack(block)
        if leaf.lf_dirent_format != PayloadFormat.DIRENTS:
            report(Damaged(address, "leaf", f"lf_dirent_format {leaf.lf_dirent_format} is not 1200"))
        if leaf.lf_depth > inode.depth or run != 1 << (inode.depth - leaf.lf_depth) or slot % run:
            report(
                Damaged(
                    address,
                    "leaf",
                    f"lf_depth {leaf.lf_depth} does not fit the {run} slots from {slot} on that point to it, "
                    f"in a table of depth {inode.depth}",
                )
            )
        if not filesystem.is_gfs1 and leaf.lf_inode not in (0, inode.address):
            report(Damaged(address, "leaf", f"lf_inode {leaf.lf_inode} is not its directory {inode.address}"))
        count = 0
        for entry in _records(filesystem, address, block, _LEAF_BYTES, report):
            count += 1
            right_slot = zlib.crc32(entry.name) >> (_HASH_BITS - inode.depth) if inode.depth else 0
            if not slot <= right_slot < slot + run:
                report(
                    Damaged(address, "dirent", f"{entry.name!r} belongs to slot {right_slot} of the table")
                )
            yield entry
        if count != leaf.lf_entries:
            report(Damaged(address, "leaf", f"lf_entries {leaf.lf_entries}, there are {count}"))
        owner, structure, address = address, "leaf", leaf.lf_next


def _records(
    filesystem: Filesystem, address: int, block: bytes, start: int, report: Report
) -> Iterator[DirectoryEntry]:
    """Yield the entries in *block* from byte *start* on. Raise Damaged where the next one cannot be found."""
    offset = start
    while offset < len(block):
        if len(block) - offset < _HEADER_BYTES:
            raise Damaged(address, "dirent", f"byte {offset} is too near to the block's end")
        dirent = Dirent.unpack(block, offset)
        length, name_length = dirent.de_rec_len, dirent.de_name_len
        if length < _HEADER_BYTES or length % 8 or offset + length > len(block):
            raise Damaged(address, "dirent", f"de_rec_len {length} at byte {offset} is impossible")
        here, offset = offset, offset + length
        if not dirent.de_inum.no_formal_ino:
            if here != start:
                report(Damaged(address, "dirent", f"no_formal_ino is 0 at byte {here}, behind the first"))
            continue
        if not 1 <= name_length <= min(255, length - _HEADER_BYTES):
            report(Damaged(address, "dirent", f"de_name_len {name_length} at byte {here} is impossible"))
            continue
        name = block[here + _HEADER_BYTES : here + _HEADER_BYTES + name_length]
        if b"/" in name or b"\0" in name:
            report(Damaged(address, "dirent", f"{name!r} cannot be a name"))
            continue
        if dirent.de_hash != zlib.crc32(name):
            report(Damaged(address, "dirent", f"de_hash 0x{dirent.de_hash:08x} is not that of {name!r}"))
        kind = kind_of_dirent(filesystem, dirent.de_type)
        if kind is None:
            report(Damaged(address, "dirent", f"de_type {dirent.de_type} of {name!r} is no kind of file"))
            continue
        yield DirectoryEntry(address, name, dirent.de_inum.no_formal_ino, dirent.de_inum.no_addr, kind)
