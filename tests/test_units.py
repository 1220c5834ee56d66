"""Sizes as people write and read them."""

import pytest

from ssiuml.errors import UsageError
from ssiuml.units import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("512 bytes", 512),
        ("1 byte", 1),
        ("7B", 7),
        ("64K", 65_536),
        ("64 KB", 65_536),
        ("64 KiB", 65_536),
        ("32 MB", 33_554_432),
        ("32MiB", 33_554_432),
        ("32 m", 33_554_432),
        ("2 GiB", 2_147_483_648),
        ("2GB", 2_147_483_648),
        ("1.5 GiB", 1_610_612_736),
        (" 2 gib ", 2_147_483_648),
        ("1 TiB", 1_099_511_627_776),
    ],
)
def test_units_of_sizes_are_powers_of_1024(text: str | int, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "GiB", "2  GiB", "-1", "2 PB", "2 GiBs", "1e3", "0x10", "1,5 GiB", "٣", "9" * 5000, -1, True]
)
def test_anything_but_a_size_is_an_error_with_its_value_and_an_example(text: str | int) -> None:
    with pytest.raises(UsageError) as error:
        parse_size(text)
    assert str(error.value) == (
        f"{text!r} is not a size\n  write a number and a unit, such as 512, 32 MiB or 2 GiB"
    )


def test_size_with_a_fraction_of_a_byte_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"^'0\.3 KiB' is not a whole number of bytes$"):
        parse_size("0.3 KiB")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (512, "512 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (8_388_608, "8 MiB"),
        (1_610_612_736, "1.5 GiB"),
        (2_147_483_648, "2 GiB"),
        (1_234_567, "1.2 MiB"),
        (1_073_741_823, "1 GiB"),
        (2**40, "1 TiB"),
        (2**50 - 1, "1024 TiB"),
    ],
)
def test_size_is_shown_in_the_largest_unit_with_one_decimal(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(
    "size_bytes", [0, 1, 1023, 1025, 1_234_567, 1_610_612_736, 2**30 - 1, 2**40 + 2**20, 10240]
)
def test_exact_size_is_read_back_unchanged(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes, exact=True)) == size_bytes


def test_negative_size_cannot_be_formatted() -> None:
    with pytest.raises(ValueError, match="a size cannot be negative: -1"):
        format_size(-1)
