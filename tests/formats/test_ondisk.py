"""Structures on a disk: offsets, packing and unpacking follow from the declaration alone."""

import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.errors import SsiumlError
from ssiuml.formats.ondisk import (
    Be8,
    Be16,
    Be32,
    Be64,
    Le8,
    Le16,
    Le32,
    OnDisk,
    Raw12,
    SignedBe64,
    SignedLe32,
    Text64,
    fast_packer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(OnDisk):
    one: Be64
    two: Be16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(OnDisk):
    head: Inner
    small: Be8
    pad: Raw12 = bytes(12)
    name: Text64
    tail: Inner
    when: SignedBe64
    last: Be32 = 0


def _outer(**changes: object) -> Outer:
    values: dict[str, object] = {
        "head": Inner(one=1, two=2),
        "small": 3,
        "name": b"root",
        "tail": Inner(one=4, two=5),
        "when": -6,
        "last": 7,
    }
    return Outer(**values | changes)  # type: ignore[arg-type]


def test_fields_follow_one_another_without_alignment() -> None:
    names = ("head", "small", "pad", "name", "tail", "when", "last")
    assert [Outer.offset_of(name) for name in names] == [0, 10, 11, 23, 87, 97, 105]
    assert Outer.size_bytes() == 109


def test_packed_bytes_are_those_of_the_struct_module() -> None:
    expected = struct.pack(">QHB12s64sQHqI", 1, 2, 3, b"", b"root", 4, 5, -6, 7)
    assert _outer().pack() == expected


def test_unpack_returns_the_structure_that_was_packed() -> None:
    assert Outer.unpack(b"??" + _outer().pack(), 2) == _outer()
    assert list(Outer.unpack_all(_outer().pack() * 3)) == [_outer()] * 3


@given(st.binary(min_size=10, max_size=10))
def test_any_bytes_of_the_right_length_survive_unpack_and_pack(data: bytes) -> None:
    assert Inner.unpack(data).pack() == data


@pytest.mark.parametrize("length", [0, 1, 108])
def test_too_few_bytes_are_an_error_with_both_sizes(length: int) -> None:
    with pytest.raises(SsiumlError, match=rf"Outer: needs 109 bytes at byte 0, there are {length}"):
        Outer.unpack(bytes(length))
    with pytest.raises(SsiumlError, match="Outer: needs 109 bytes at byte 5"):
        _outer().pack_into(bytearray(109), 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"small": 256}, r"Outer\.small: 256 does not fit"),
        ({"last": -1}, r"Outer\.last: -1 does not fit"),
        ({"tail": Inner(one=1 << 64, two=0)}, r"Outer\.tail\.one: 18446744073709551616 does not fit"),
        ({"name": b"n" * 65}, r"Outer\.name: .* does not fit: at most 64 bytes"),
        ({"pad": bytes(13)}, r"Outer\.pad: .* does not fit: at most 12 bytes"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_with_its_field(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SsiumlError, match=message):
        _outer(**changes).pack()


def test_a_fast_packer_writes_the_named_fields_and_zeros_elsewhere() -> None:
    packer = fast_packer(Outer, ["head.two", "name", "tail.one"])
    expected = Outer(head=Inner(one=0, two=7), small=0, name=b"n", tail=Inner(one=8, two=0), when=0)
    assert packer.pack(7, b"n", 8) == expected.pack()
    buffer = bytearray(b"?" * Outer.size_bytes())
    packer.pack_into(buffer, 0, 7, b"n", 8)
    assert buffer == expected.pack()


@pytest.mark.parametrize("names", [["two"], ["name", "head.two"]])
def test_a_fast_packer_refuses_unknown_fields_and_another_order(names: list[str]) -> None:
    with pytest.raises(ValueError, match="Outer has its fields in this order"):
        fast_packer(Outer, names)


class Plain(OnDisk):
    field: Be8


@dataclass(frozen=True)
class Wrong(OnDisk):
    field: int


def test_a_structure_that_is_no_dataclass_or_has_other_types_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.field"):
        Wrong.size_bytes()
    with pytest.raises(TypeError, match="dataclass"):
        Plain.size_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class LittleInner(OnDisk):
    one: Le16


@dataclass(frozen=True, slots=True, kw_only=True)
class Little(OnDisk):
    head: LittleInner
    small: Le8
    name: Raw12
    when: SignedLe32
    last: Le32


@dataclass(frozen=True, slots=True, kw_only=True)
class Both(OnDisk):
    head: LittleInner
    last: Be16


def test_packed_little_endian_bytes_are_those_of_the_struct_module() -> None:
    little = Little(head=LittleInner(one=0x1234), small=3, name=bytes(range(12)), when=-2, last=0x01020304)
    expected = struct.pack("<HB12siI", 0x1234, 3, bytes(range(12)), -2, 0x01020304)
    assert little.pack() == expected
    assert Little.unpack(expected) == little
    assert fast_packer(Little, ["head.one", "last"]).pack(1, 2) == struct.pack("<H17xI", 1, 2)


def test_a_structure_of_both_byte_orders_is_refused() -> None:
    with pytest.raises(TypeError, match="Both has integers of both byte orders"):
        Both.size_bytes()
