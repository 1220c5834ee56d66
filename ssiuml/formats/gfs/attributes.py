"""Extended attributes: records in blocks of their own, large values in further blocks.

di_eattr points to one block of records or, with the flag EA_INDIRECT, to a block of pointers to several.
Source: linux/gfs2_ondisk.h and measurements with fsck.gfs2, gfs_fsck and the kernel.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.pointer_tree import BlockLayout
from ssiuml.formats.gfs.structures import (
    META_HEADER_BYTES,
    NAME_BYTES_MAX,
    EaHeader,
    MetaType,
    UnstorableError,
    meta_header,
)

VALUE_BYTES_MAX: Final = 65_536  # GFS2_EA_MAX_DATA_LEN
_LAST: Final = 1  # GFS2_EAFLAG_LAST
_RECORD_HEADER_BYTES: Final = EaHeader.size_bytes()
_POSIX_ACL: Final = ("system.posix_acl_access", "system.posix_acl_default")


@dataclass(frozen=True, slots=True)
class _Record:
    ea_type: int
    name: bytes  # without its namespace
    value: bytes
    value_blocks: int  # 0: the value follows the name

    @property
    def size_bytes(self) -> int:
        if self.value_blocks:
            return _round8(_RECORD_HEADER_BYTES + _round8(len(self.name)) + 8 * self.value_blocks)
        return _round8(_RECORD_HEADER_BYTES + len(self.name) + len(self.value))


@dataclass(frozen=True, slots=True)
class AttributeLayout:
    """The records in each block. The blocks lie in this order: pointers, if needed; records; values."""

    records: tuple[tuple[_Record, ...], ...]
    value_blocks: int

    @property
    def indirect(self) -> bool:
        """Whether di_eattr points to a block of pointers to the blocks of records."""
        return len(self.records) > 1

    @property
    def blocks(self) -> int:
        return self.indirect + len(self.records) + self.value_blocks


def _round8(size: int) -> int:
    return (size + 7) & ~7


def plan_attributes(
    block_layout: BlockLayout, xattrs: Mapping[str, bytes], types: Mapping[str, int]
) -> AttributeLayout:
    """Distribute attributes over blocks; *types* gives ea_type of each namespace ("user", "security" …).

    Raise UnstorableError, naming the attribute, if its namespace, name or value cannot be stored.
    """
    payload = block_layout.block_size - META_HEADER_BYTES
    blocks: list[list[_Record]] = [[]]
    used = value_blocks = 0
    for full_name, value in sorted(xattrs.items()):
        record = _record(full_name, value, payload, types)
        if used + record.size_bytes > payload:
            blocks.append([])
            used = 0
        blocks[-1].append(record)
        used += record.size_bytes
        value_blocks += record.value_blocks
    most = block_layout.block_pointers
    if len(blocks) > most:
        raise UnstorableError(
            f"{len(xattrs)} attributes need {len(blocks)} blocks, at most {most} are possible",
            hint="remove some of them, or use larger blocks",
        )
    return AttributeLayout(tuple(tuple(block) for block in blocks), value_blocks)


def _record(full_name: str, value: bytes, payload: int, types: Mapping[str, int]) -> _Record:
    namespace, dot, rest = full_name.partition(".")
    ea_type = types.get(namespace) if dot else None
    if ea_type is None or (namespace == "system" and full_name not in _POSIX_ACL):
        possible = ", ".join("ACLs" if name == "system" else f"{name}.*" for name in types)
        raise UnstorableError(
            f"attribute {full_name!r}: this file system cannot hold attributes of this kind",
            hint=f"remove it; the file system holds {possible}",
        )
    name = rest.encode("utf-8", "surrogateescape")
    if not 1 <= len(name) <= NAME_BYTES_MAX:
        raise UnstorableError(
            f"attribute {full_name!r}: its name has {len(name)} bytes behind '{namespace}.', "
            f"1 to {NAME_BYTES_MAX} are possible"
        )
    if len(value) > VALUE_BYTES_MAX:
        raise UnstorableError(
            f"attribute {full_name!r}: its value has {len(value)} bytes, "
            f"at most {VALUE_BYTES_MAX} are possible"
        )
    record = _Record(ea_type, name, value, 0)
    if record.size_bytes > payload:
        record = _Record(ea_type, name, value, -(-len(value) // payload))
    if record.size_bytes > payload:
        raise UnstorableError(
            f"attribute {full_name!r}: the pointers to its {len(value)} bytes do not fit into one block "
            f"of {payload + META_HEADER_BYTES} bytes",
            hint="use larger blocks",
        )
    return record


def attribute_blocks(
    block_layout: BlockLayout, layout: AttributeLayout, addresses: Sequence[int]
) -> Iterator[bytes]:
    """Yield the whole blocks of *layout*, in its order; *addresses* are theirs."""
    size = block_layout.block_size
    records = addresses[layout.indirect : layout.indirect + len(layout.records)]
    values = iter(addresses[layout.indirect + len(layout.records) :])
    if layout.indirect:
        head = meta_header(MetaType.IN).pack().ljust(block_layout.indirect_header_bytes, b"\0")
        yield (head + struct.pack(f">{len(records)}Q", *records)).ljust(size, b"\0")
    for block in layout.records:
        yield _record_block(block, size, values)
    head = meta_header(MetaType.ED).pack()
    payload = size - META_HEADER_BYTES
    for record in (record for block in layout.records for record in block):
        for number in range(record.value_blocks):
            piece = record.value[number * payload : (number + 1) * payload]
            yield (head + piece).ljust(size, b"\0")


def _record_block(records: Sequence[_Record], size: int, values: Iterator[int]) -> bytes:
    block = bytearray(meta_header(MetaType.EA).pack())
    for number, record in enumerate(records, 1):
        last = number == len(records)
        length = size - len(block) if last else record.size_bytes
        header = EaHeader(
            ea_rec_len=length,
            ea_data_len=len(record.value),
            ea_name_len=len(record.name),
            ea_type=record.ea_type,
            ea_flags=_LAST if last else 0,
            ea_num_ptrs=record.value_blocks,
        )
        body = header.pack() + record.name
        if record.value_blocks:
            pointers = [next(values) for _ in range(record.value_blocks)]
            body = body.ljust(_round8(len(body)), b"\0") + struct.pack(f">{len(pointers)}Q", *pointers)
        else:
            body += record.value
        block += body.ljust(length, b"\0")
    return bytes(block)
