"""Structures as they lie on a disk: declared as dataclasses, packed and unpacked, of either byte order.

A structure is a dataclass whose fields have the types of this module, in the order and with the names of
the C declaration; padding is declared like everything else, so that every byte has a field::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Inum(OnDisk):
        no_formal_ino: Be64
        no_addr: Be64

Fields may be structures themselves. Offsets and sizes follow from the declaration alone (nothing is
aligned behind your back); tests hold them against the C header. All integers of a structure have the same
byte order, big-endian (``Be``) or little-endian (``Le``).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from ssiuml.errors import SsiumlError


class FormatError(SsiumlError):
    """Bytes of a disk are not what their format says, or a value does not fit its field."""


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer field; *code* and *order* are those of the struct module."""

    code: str
    order: str = ">"


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes as they are; shorter ones are filled up with zeros when they are packed."""

    size_bytes: int

    @property
    def code(self) -> str:
        return f"{self.size_bytes}s"


@dataclass(frozen=True, slots=True)
class Text(Bytes):
    """Bytes filled up with NULs, which are not part of the value."""


Be8 = Annotated[int, Integer("B")]
Be16 = Annotated[int, Integer("H")]
Be32 = Annotated[int, Integer("I")]
Be64 = Annotated[int, Integer("Q")]
SignedBe64 = Annotated[int, Integer("q")]
Le8 = Annotated[int, Integer("B", "<")]
Le16 = Annotated[int, Integer("H", "<")]
Le32 = Annotated[int, Integer("I", "<")]
SignedLe32 = Annotated[int, Integer("i", "<")]
Raw12 = Annotated[bytes, Bytes(12)]
Raw16 = Annotated[bytes, Bytes(16)]
Raw40 = Annotated[bytes, Bytes(40)]
Raw44 = Annotated[bytes, Bytes(44)]
Raw60 = Annotated[bytes, Bytes(60)]
Raw64 = Annotated[bytes, Bytes(64)]
Text64 = Annotated[bytes, Text(64)]
Text256 = Annotated[bytes, Text(256)]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    offset_bytes: int
    size_bytes: int
    form: "Integer | Bytes | Layout"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of a structure lie."""

    structure: "type[OnDisk]"
    fields: tuple[_Field, ...]
    packer: struct.Struct
    leaves: Any  # attrgetter of every integer and every piece of bytes, in order
    texts: tuple[tuple[str, int], ...]  # dotted name and size of what struct would cut off silently
    orders: frozenset[str]  # the byte order of its integers; none if it has only bytes

    def build(self, values: Iterator[Any]) -> Any:
        """Make the structure of the next of *values*, which are those of its leaves."""
        arguments: dict[str, Any] = {}
        for field in self.fields:
            if isinstance(field.form, Layout):
                arguments[field.name] = field.form.build(values)
                continue
            value = next(values)
            arguments[field.name] = value.rstrip(b"\0") if isinstance(field.form, Text) else value
        return self.structure(**arguments)


_layouts: "dict[type[OnDisk], Layout]" = {}


def layout_of(structure: "type[OnDisk]") -> Layout:
    """The layout of *structure*; TypeError if it is no dataclass or a field has no type of this module."""
    layout = _layouts.get(structure)
    if layout is None:
        layout = _layouts[structure] = _lay_out(structure)
    return layout


def _lay_out(structure: "type[OnDisk]") -> Layout:
    if not is_dataclass(structure):
        raise TypeError(f"{structure.__name__} is not a dataclass")
    hints = get_type_hints(structure, include_extras=True)
    placed: list[_Field] = []
    leaves: list[str] = []
    texts: list[tuple[str, int]] = []
    codes, offset = "", 0
    orders: set[str] = set()
    for field in fields(structure):
        form = _form_of(structure, field.name, hints[field.name])
        if isinstance(form, Layout):
            inner = layout_of(form.structure)
            codes += inner.packer.format[1:]
            orders |= inner.orders
            size = inner.packer.size
            leaves += [f"{field.name}.{leaf}" for leaf in _leaf_names(inner)]
            texts += [(f"{field.name}.{name}", limit) for name, limit in inner.texts]
        else:
            codes += form.code
            size = struct.calcsize(f">{form.code}")
            leaves.append(field.name)
            if isinstance(form, Bytes):
                texts.append((field.name, form.size_bytes))
            else:
                orders.add(form.order)
        placed.append(_Field(field.name, offset, size, form))
        offset += size
    if len(orders) > 1:
        raise TypeError(f"{structure.__name__} has integers of both byte orders")
    codes = "".join(orders or ">") + codes
    # attrgetter of a single name gives a value, of several a tuple; the structure itself is never needed.
    getter = attrgetter(*leaves) if len(leaves) > 1 else lambda item: (getattr(item, leaves[0]),)
    return Layout(structure, tuple(placed), struct.Struct(codes), getter, tuple(texts), frozenset(orders))


def _form_of(structure: "type[OnDisk]", name: str, hint: Any) -> Integer | Bytes | Layout:
    if isinstance(hint, type) and issubclass(hint, OnDisk):
        return layout_of(hint)
    if get_origin(hint) is Annotated:
        for mark in get_args(hint)[1:]:
            if isinstance(mark, Integer | Bytes):
                return mark
    raise TypeError(f"{structure.__name__}.{name} has a type that does not say how it lies on the disk")


def _leaf_names(layout: Layout) -> list[str]:
    names = []
    for field in layout.fields:
        if isinstance(field.form, Layout):
            names += [f"{field.name}.{leaf}" for leaf in _leaf_names(field.form)]
        else:
            names.append(field.name)
    return names


class OnDisk:
    """Base of every structure; see the module."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def size_bytes(cls) -> int:
        """Bytes that the structure takes up on the disk."""
        return layout_of(cls).packer.size

    @classmethod
    def offset_of(cls, name: str) -> int:
        """Byte at which the field *name* begins, from the structure's start; KeyError if it has none."""
        for field in layout_of(cls).fields:
            if field.name == name:
                return field.offset_bytes
        raise KeyError(name)

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset_bytes: int = 0) -> Self:
        """Read the structure from *data*, *offset_bytes* behind its start.

        Raises FormatError if *data* ends before the structure does. Values are not judged.
        """
        layout = layout_of(cls)
        if offset_bytes < 0 or len(data) - offset_bytes < layout.packer.size:
            raise FormatError(
                f"{cls.__name__}: needs {layout.packer.size} bytes at byte {offset_bytes}, "
                f"there are {max(0, len(data) - offset_bytes)}"
            )
        built: Self = layout.build(iter(layout.packer.unpack_from(data, offset_bytes)))
        return built

    @classmethod
    def unpack_all(cls, data: bytes | bytearray | memoryview) -> Iterator[Self]:
        """Read one structure after the other; FormatError if *data* ends within one."""
        for offset in range(0, len(data), cls.size_bytes()):
            yield cls.unpack(data, offset)

    def pack(self) -> bytes:
        """The structure's bytes; FormatError, with the field and its value, if a value does not fit."""
        layout = layout_of(type(self))
        for name, limit in layout.texts:
            value = attrgetter(name)(self)
            if len(value) > limit:
                raise self._misfit(name, value, f"at most {limit} bytes")
        try:
            return layout.packer.pack(*layout.leaves(self))
        except struct.error as error:
            for name, code in zip(_leaf_names(layout), _leaf_codes(layout), strict=True):
                value = attrgetter(name)(self)
                try:
                    struct.pack(f">{code}", value)
                except struct.error as reason:
                    raise self._misfit(name, value, str(reason)) from error
            raise

    def pack_into(self, buffer: bytearray | memoryview, offset_bytes: int = 0) -> None:
        """Put the structure's bytes into *buffer*; FormatError as in pack, or if it ends before that."""
        data = self.pack()
        if offset_bytes < 0 or len(buffer) - offset_bytes < len(data):
            raise FormatError(
                f"{type(self).__name__}: needs {len(data)} bytes at byte {offset_bytes}, "
                f"there are {max(0, len(buffer) - offset_bytes)}"
            )
        buffer[offset_bytes : offset_bytes + len(data)] = data

    def _misfit(self, name: str, value: object, limit: str) -> FormatError:
        return FormatError(f"{type(self).__name__}.{name}: {value!r} does not fit: {limit}")


def fast_packer(structure: "type[OnDisk]", names: "Sequence[str]") -> struct.Struct:
    """A packer of the fields with these dotted names alone, in their order on the disk; all others are 0.

    For structures that are written by the ten thousand; ValueError if a name is unknown or out of order.
    """
    layout = layout_of(structure)
    format_, found = layout.packer.format[0], []
    for name, code in zip(_leaf_names(layout), _leaf_codes(layout), strict=True):
        if name in names:
            found.append(name)
            format_ += code
        else:
            format_ += f"{struct.calcsize(f'>{code}')}x"
    if found != list(names):
        raise ValueError(f"{structure.__name__} has its fields in this order: {', '.join(found)}")
    return struct.Struct(format_)


def _leaf_codes(layout: Layout) -> list[str]:
    codes = []
    for field in layout.fields:
        codes += _leaf_codes(field.form) if isinstance(field.form, Layout) else [field.form.code]
    return codes
