"""Reads the extended attributes of an inode without trusting them."""

import struct
from collections.abc import Iterator
from typing import Final

from ssiuml.formats.gfs.structures import META_HEADER_BYTES, EaHeader, Flag, MetaType
from ssiuml.formats.gfs_reader.filesystem import Claim, Damaged, Filesystem
from ssiuml.formats.gfs_reader.inodes import Inode

_HEADER_BYTES: Final = EaHeader.size_bytes()
_LAST: Final = 1  # GFS2_EAFLAG_LAST
_VALUE_BYTES_MAX: Final = 65_536  # GFS2_EA_MAX_DATA_LEN
_NAMESPACES: Final = {1: "user", 2: "system", 3: "security", 4: "trusted"}


def read_attributes(filesystem: Filesystem, inode: Inode, claim: Claim) -> dict[str, bytes]:
    """Return the attributes of an inode. Call *claim* with each block before reading it.

    Raise Damaged at the first error.
    """
    attributes: dict[str, bytes] = {}
    if not inode.eattr:
        return attributes
    for address in _record_blocks(filesystem, inode, claim):
        data = filesystem.metadata(address, MetaType.EA, inode.address, "di_eattr")
        for name, value in _records(filesystem, address, data, claim):
            if name in attributes:
                raise Damaged(address, "attribute", f"{name!r} occurs twice")
            attributes[name] = value
    return attributes


def _record_blocks(filesystem: Filesystem, inode: Inode, claim: Claim) -> Iterator[int]:
    claim(inode.eattr)
    if not inode.flags & Flag.EA_INDIRECT:
        yield inode.eattr
        return
    data = filesystem.metadata(inode.eattr, MetaType.IN, inode.address, "di_eattr")
    for (address,) in struct.iter_unpack(">Q", data[filesystem.block_layout.indirect_header_bytes :]):
        if not address:
            return
        claim(address)
        yield address


def _records(filesystem: Filesystem, address: int, data: bytes, claim: Claim) -> Iterator[tuple[str, bytes]]:
    offset, is_last = META_HEADER_BYTES, False
    while offset < len(data):
        if is_last or len(data) - offset < _HEADER_BYTES:
            raise Damaged(address, "attribute", f"the last one ends at byte {offset}, not with the block")
        header = EaHeader.unpack(data, offset)
        here, offset = offset, offset + header.ea_rec_len
        if header.ea_rec_len < _HEADER_BYTES or header.ea_rec_len % 8 or offset > len(data):
            raise Damaged(
                address, "attribute", f"ea_rec_len {header.ea_rec_len} at byte {here} is impossible"
            )
        is_last = bool(header.ea_flags & _LAST)
        if header.ea_type == 0:  # a gap: Linux leaves it where an attribute was removed
            continue
        namespace = _NAMESPACES.get(header.ea_type)
        if namespace is None or (namespace == "trusted" and filesystem.is_gfs1):
            raise Damaged(address, "attribute", f"ea_type {header.ea_type} at byte {here} has no meaning")
        yield _record(filesystem, address, data[here:offset], header, namespace, claim)
    if not is_last:
        raise Damaged(address, "attribute", "no record is marked as the last in its block")


def _record(
    filesystem: Filesystem, address: int, record: bytes, header: EaHeader, namespace: str, claim: Claim
) -> tuple[str, bytes]:
    end = _HEADER_BYTES + header.ea_name_len
    name = record[_HEADER_BYTES:end]
    size = header.ea_data_len
    text = f"{namespace}.{name.decode('utf-8', 'surrogateescape')}"
    if b"\0" in name:
        raise Damaged(address, "attribute", f"{text!r} has a NUL in its name")
    if not name or end > len(record) or size > _VALUE_BYTES_MAX:
        raise Damaged(
            address, "attribute", f"a name of {len(name)} and a value of {size} bytes is impossible"
        )
    if not header.ea_num_ptrs:
        if end + size > len(record):
            raise Damaged(address, "attribute", f"the {size} bytes of {text!r} do not fit into its record")
        return text, record[end : end + size]
    payload = filesystem.block_size - META_HEADER_BYTES
    start = (end + 7) & ~7
    pointers = header.ea_num_ptrs
    if start + 8 * pointers > len(record) or -(-size // payload) > pointers:
        raise Damaged(address, "attribute", f"{pointers} pointers cannot hold the {size} bytes of {text!r}")
    value = []
    for (place,) in struct.iter_unpack(">Q", record[start : start + 8 * pointers]):
        filesystem.require_inside(place, address, "attribute")
        claim(place)
        data = filesystem.metadata(place, MetaType.ED, address, "attribute")
        value.append(data[META_HEADER_BYTES:])
    return text, b"".join(value)[:size]
