"""Extended attributes: records in blocks of their own, large values in further blocks.

An inode points to one block of records or, with the flag EA_INDIRECT, to a block of pointers to several.
Source: linux/gfs2_ondisk.h and measurements with fsck.gfs2, gfs_fsck and the kernel.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.shape import Shape
from ssiuml.formats.gfs.structures import META_HEADER_BYTES, NAME_BYTES_MAX, EaHeader, MetaType, meta_header

VALUE_BYTES_MAX: Final = 65_536  # GFS2_EA_MAX_DATA_LEN
_LAST: Final = 1  # GFS2_EAFLAG_LAST
_RECORD_HEADER_BYTES: Final = EaHeader.size_bytes()
_POSIX_ACL: Final = ("system.posix_acl_access", "system.posix_acl_default")


class AttributesError(SsiumlError):
    """An extended attribute cannot be stored."""


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int  # ea_type
    name: bytes  # without what stands before the first dot
    value: bytes
    value_blocks: int  # 0: the value follows the name

    @property
    def size_bytes(self) -> int:
        if self.value_blocks:
            return _round8(_RECORD_HEADER_BYTES + _round8(len(self.name)) + 8 * self.value_blocks)
        return _round8(_RECORD_HEADER_BYTES + len(self.name) + len(self.value))


@dataclass(frozen=True, slots=True)
class AttributePlan:
    """Which record lies in which block; the blocks are: the pointers' if there is one, records, values."""

    records: tuple[tuple[_Record, ...], ...]
    value_blocks: int

    @property
    def indirect(self) -> bool:
        """Whether a block of pointers leads to the blocks of records."""
        return len(self.records) > 1

    @property
    def blocks(self) -> int:
        return self.indirect + len(self.records) + self.value_blocks


def _round8(size: int) -> int:
    return (size + 7) & ~7


def plan_attributes(shape: Shape, xattrs: Mapping[str, bytes], kinds: Mapping[str, int]) -> AttributePlan:
    """Distribute attributes over blocks; *kinds* gives ea_type for what stands before a name's first dot.

    Raises AttributesError, naming the attribute, for a kind, a name or a value that cannot be stored.
    """
    payload = shape.block_size - META_HEADER_BYTES
    blocks: list[list[_Record]] = [[]]
    used = value_blocks = 0
    for full_name, value in sorted(xattrs.items()):
        record = _record(full_name, value, payload, kinds)
        if used + record.size_bytes > payload:
            blocks.append([])
            used = 0
        blocks[-1].append(record)
        used += record.size_bytes
        value_blocks += record.value_blocks
    if len(blocks) > shape.block_pointers:
        raise AttributesError(
            f"{len(xattrs)} attributes need {len(blocks)} blocks, at most {shape.block_pointers} can be",
            hint="take some away, or use larger blocks",
        )
    return AttributePlan(tuple(tuple(block) for block in blocks), value_blocks)


def _record(full_name: str, value: bytes, payload: int, kinds: Mapping[str, int]) -> _Record:
    prefix, dot, rest = full_name.partition(".")
    kind = kinds.get(prefix) if dot else None
    if kind is None or (prefix == "system" and full_name not in _POSIX_ACL):
        possible = ", ".join("ACLs" if name == "system" else f"{name}.*" for name in kinds)
        raise AttributesError(
            f"attribute {full_name!r}: this file system cannot hold one of its kind",
            hint=f"it holds {possible}",
        )
    name = rest.encode("utf-8", "surrogateescape")
    if not 1 <= len(name) <= NAME_BYTES_MAX:
        raise AttributesError(
            f"attribute {full_name!r}: {len(name)} bytes behind '{prefix}.', it takes 1 to {NAME_BYTES_MAX}"
        )
    if len(value) > VALUE_BYTES_MAX:
        raise AttributesError(
            f"attribute {full_name!r}: has {len(value)} bytes, at most {VALUE_BYTES_MAX} are possible"
        )
    record = _Record(kind, name, value, 0)
    if record.size_bytes > payload:
        record = _Record(kind, name, value, -(-len(value) // payload))
    if record.size_bytes > payload:
        raise AttributesError(
            f"attribute {full_name!r}: its {len(value)} bytes cannot be reached from one block of "
            f"{payload + META_HEADER_BYTES} bytes",
            hint="use larger blocks",
        )
    return record


def attribute_blocks(shape: Shape, plan: AttributePlan, addresses: Sequence[int]) -> Iterator[bytes]:
    """The contents of the plan's blocks, which lie at these addresses, in order, each of a whole block."""
    size = shape.block_size
    records = addresses[plan.indirect : plan.indirect + len(plan.records)]
    values = iter(addresses[plan.indirect + len(plan.records) :])
    if plan.indirect:
        head = meta_header(MetaType.IN).pack().ljust(shape.indirect_header_bytes, b"\0")
        yield (head + struct.pack(f">{len(records)}Q", *records)).ljust(size, b"\0")
    for block in plan.records:
        yield _record_block(block, size, values)
    head = meta_header(MetaType.ED).pack()
    payload = size - META_HEADER_BYTES
    for record in (record for block in plan.records for record in block):
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
            ea_type=record.kind,
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
