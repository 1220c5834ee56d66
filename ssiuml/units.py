"""Sizes in bytes, as people write and read them.

All units are powers of 1024, even KB, MB and GB: in the tools that this project follows (`mkfs_gfs -J 32`,
the HOWTO's "32 MB journals") MB has always meant 2**20 bytes.
"""

import re
from fractions import Fraction

from ssiuml.errors import UsageError

KIB = 2**10
MIB = 2**20
GIB = 2**30

_UNITS = (("TiB", 2**40), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB))
_FACTORS = {"": 1, "b": 1, "byte": 1, "bytes": 1} | {
    spelling: factor
    for name, factor in _UNITS
    for spelling in (name[0].lower(), f"{name[0].lower()}b", name.lower())
}
# The limit of digits is above all disks, and keeps absurd numbers from taking time.
_SIZE = re.compile(r"([0-9]{1,18})(\.[0-9]{1,9})? ?([A-Za-z]*)")


def parse_size(text: str | int) -> int:
    """Return how many bytes *text* means ("2 GiB", "32 MB", "1.5G", "4096", 4096), in upper or lower case.

    Raise UsageError if it is no size or no whole number of bytes.
    """
    if isinstance(text, str):
        match = _SIZE.fullmatch(text.strip())
        factor = _FACTORS.get(match[3].lower()) if match else None
        if match and factor:
            size = Fraction(match[1] + (match[2] or "")) * factor
            if size.denominator == 1:
                return int(size)
            raise UsageError(f"{text!r} is not a whole number of bytes")
    elif not isinstance(text, bool) and text >= 0:
        return text
    raise UsageError(
        f"{text!r} is not a size", hint="write a number and a unit, such as 512, 32 MiB or 2 GiB"
    )


def format_size(size_bytes: int, *, exact: bool = False) -> str:
    """Return *size_bytes* as text for people, rounded to one decimal: "2 GiB", "1.5 GiB", "512 bytes".

    With *exact*, use a smaller unit ("1234567 bytes") if needed, so that `parse_size` returns *size_bytes*.
    """
    if size_bytes < 0:
        raise ValueError(f"a size cannot be negative: {size_bytes}")
    for index, (name, factor) in enumerate(_UNITS):
        if size_bytes < factor:
            continue
        tenths = (size_bytes * 10 + factor // 2) // factor
        if exact and tenths * factor != size_bytes * 10:
            continue
        if tenths == 10240 and index:  # 1023.96 MiB would round to 1024 MiB
            name, tenths = _UNITS[index - 1][0], 10
        return f"{tenths // 10}.{tenths % 10} {name}" if tenths % 10 else f"{tenths // 10} {name}"
    return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
