"""Structures on a disk, declared as dataclasses: packs them to bytes and unpacks them, in either byte order.

A structure is a dataclass whose fields have the types of this module, in the order and with the names of
the C declaration. Padding is declared, too, so every byte has a field::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Inum(OnDisk):
        no_formal_ino: Be64
        no_addr: Be64

Fields may be structures themselves. Offsets and sizes follow from the declaration alone: no field is aligned
implicitly. Tests compare them with the C header. All integers of a structure have the same byte order,
big-endian (``Be``) or little-endian (``Le``).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from ssiuml.errors import SsiumlError


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer field; *code* and *order* are characters of the struct module."""

    code: str
    order: str = ">"


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes without interpretation; pack appends zeros to shorter values."""

    size_bytes: int

    @property
    def code(self) -> str:
        return f"{self.size_bytes}s"


@dataclass(frozen=True, slots=True)
class Text(Bytes):
    """Bytes; the NULs that fill the field are not part of the value."""


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
    """The offsets, sizes and types of a structure's fields."""

    structure: "type[OnDisk]"
    fields: tuple[_Field, ...]
    packer: struct.Struct
    get_scalars: Any  # attrgetter of every integer and bytes field, in order
    texts: tuple[tuple[str, int], ...]  # dotted name and size of the bytes fields: struct would truncate them
    orders: frozenset[str]  # the byte order of its integers; empty if it has only bytes

    def build(self, values: Iterator[Any]) -> Any:
        """Build the structure from the next of *values*, one for each scalar field."""
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
    """Return the layout of *structure*.

    Raise TypeError if it is no dataclass or a field has no type of this module.
    """
    layout = _layouts.get(structure)
    if layout is None:
        layout = _layouts[structure] = _lay_out(structure)
    return layout


def _lay_out(structure: "type[OnDisk]") -> Layout:
    hints = get_type_hints(structure, include_extras=True)
    placed: list[_Field] = []
    scalars: list[str] = []
    texts: list[tuple[str, int]] = []
    codes, offset = "", 0
    orders: set[str] = set()
    for field in fields(structure):  # type: ignore[arg-type] # each subclass is a dataclass
        form = _form_of(structure, field.name, hints[field.name])
        if isinstance(form, Layout):
            codes += form.packer.format[1:]
            orders |= form.orders
            size = form.packer.size
            scalars += [f"{field.name}.{name}" for name in _scalar_names(form)]
            texts += [(f"{field.name}.{name}", limit) for name, limit in form.texts]
        else:
            codes += form.code
            size = struct.calcsize(f">{form.code}")
            scalars.append(field.name)
            if isinstance(form, Bytes):
                texts.append((field.name, form.size_bytes))
            else:
                orders.add(form.order)
        placed.append(_Field(field.name, offset, size, form))
        offset += size
    if len(orders) > 1:
        raise TypeError(f"{structure.__name__} has integers of both byte orders")
    codes = "".join(orders or ">") + codes
    # attrgetter returns a value for a single name, a tuple for several.
    getter = attrgetter(*scalars) if len(scalars) > 1 else lambda item: (getattr(item, scalars[0]),)
    return Layout(structure, tuple(placed), struct.Struct(codes), getter, tuple(texts), frozenset(orders))


def _form_of(structure: "type[OnDisk]", name: str, hint: Any) -> Integer | Bytes | Layout:
    if isinstance(hint, type) and issubclass(hint, OnDisk):
        return layout_of(hint)
    if get_origin(hint) is Annotated:
        for mark in get_args(hint)[1:]:
            if isinstance(mark, Integer | Bytes):
                return mark
    raise TypeError(f"{structure.__name__}.{name} has no type of this module")


def _scalar_names(layout: Layout) -> list[str]:
    names = []
    for field in layout.fields:
        if isinstance(field.form, Layout):
            names += [f"{field.name}.{name}" for name in _scalar_names(field.form)]
        else:
            names.append(field.name)
    return names


class OnDisk:
    """Base class of every structure; see the module's description."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def size_bytes(cls) -> int:
        """Return the size of the structure on the disk in bytes."""
        return layout_of(cls).packer.size

    @classmethod
    def offset_of(cls, name: str) -> int:
        """Return the offset of the field *name* in bytes. Raise KeyError if there is no such field."""
        for field in layout_of(cls).fields:
            if field.name == name:
                return field.offset_bytes
        raise KeyError(name)

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset_bytes: int = 0) -> Self:
        """Return the structure at *offset_bytes* of *data*. Values are not checked.

        Raise SsiumlError if *data* ends before the structure does.
        """
        layout = layout_of(cls)
        if offset_bytes < 0 or len(data) - offset_bytes < layout.packer.size:
            raise SsiumlError(
                f"{cls.__name__}: needs {layout.packer.size} bytes at byte {offset_bytes}, "
                f"there are {max(0, len(data) - offset_bytes)}"
            )
        built: Self = layout.build(iter(layout.packer.unpack_from(data, offset_bytes)))
        return built

    @classmethod
    def unpack_all(cls, data: bytes | bytearray | memoryview) -> Iterator[Self]:
        """Yield the structures in *data*. Raise SsiumlError if *data* ends within one."""
        for offset in range(0, len(data), cls.size_bytes()):
            yield cls.unpack(data, offset)

    def pack(self) -> bytes:
        """Return the structure's bytes. Raise SsiumlError, with field and value, if a value does not fit."""
        layout = layout_of(type(self))
        for name, limit in layout.texts:
            value = attrgetter(name)(self)
            if len(value) > limit:
                raise self._misfit(name, value, f"at most {limit} bytes")
        try:
            return layout.packer.pack(*layout.get_scalars(self))
        except struct.error as error:
            for name, code in zip(_scalar_names(layout), _scalar_codes(layout), strict=True):
                value = attrgetter(name)(self)
                try:
                    struct.pack(f">{code}", value)
                except struct.error as reason:
                    raise self._misfit(name, value, str(reason)) from error
            raise

    def pack_into(self, buffer: bytearray | memoryview, offset_bytes: int = 0) -> None:
        """Write the structure's bytes into *buffer* at *offset_bytes*.

        Raise SsiumlError if a value does not fit its field or the structure does not fit into *buffer*.
        """
        data = self.pack()
        if offset_bytes < 0 or len(buffer) - offset_bytes < len(data):
            raise SsiumlError(
                f"{type(self).__name__}: needs {len(data)} bytes at byte {offset_bytes}, "
                f"there are {max(0, len(buffer) - offset_bytes)}"
            )
        buffer[offset_bytes : offset_bytes + len(data)] = data

    def _misfit(self, name: str, value: object, limit: str) -> SsiumlError:
        return SsiumlError(f"{type(self).__name__}.{name}: {value!r} does not fit: {limit}")


def fast_packer(structure: "type[OnDisk]", names: "Sequence[str]") -> struct.Struct:
    """Return a packer of the fields with these dotted names, in their order on the disk; all others are 0.

    It is for structures that are written by the ten thousand. Raise ValueError if a name is unknown or out of
    order.
    """
    layout = layout_of(structure)
    format_, found = layout.packer.format[0], []
    for name, code in zip(_scalar_names(layout), _scalar_codes(layout), strict=True):
        if name in names:
            found.append(name)
            format_ += code
        else:
            format_ += f"{struct.calcsize(f'>{code}')}x"
    if found != list(names):
        raise ValueError(f"{structure.__name__} has its fields in this order: {', '.join(found)}")
    return struct.Struct(format_)


def _scalar_codes(layout: Layout) -> list[str]:
    codes = []
    for field in layout.fields:
        codes += _scalar_codes(field.form) if isinstance(field.form, Layout) else [field.form.code]
    return codes
