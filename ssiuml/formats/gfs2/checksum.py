"""CRC-32C (Castagnoli) as in the log headers of GFS2: reflected, from all ones, not inverted at the end.

Source: RFC 3720, appendix B.4, for the polynomial; the missing inversion is measured.
"""

from typing import Final

_POLYNOMIAL: Final = 0x82F63B78
_START: Final = 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE: Final = _table()


def crc32c(data: bytes, state: int = _START) -> int:
    """The checksum of *data*; *state* is that of what comes before."""
    for byte in data:
        state = _TABLE[(state ^ byte) & 0xFF] ^ state >> 8
    return state


class Zeros:
    """Goes over a fixed number of zero bytes in one step.

    The checksum is linear over bits, so what zeros do to a state is the sum of what they do to its bits.
    """

    def __init__(self, count: int) -> None:
        bits = [1 << number for number in range(32)]
        step = [crc32c(b"\0", bit) for bit in bits]
        # Square and multiply: the effect of *count* zeros from that of one.
        while count:
            if count & 1:
                bits = [_apply(step, bit) for bit in bits]
            step = [_apply(step, column) for column in step]
            count >>= 1
        # By bytes of the state, so that a step is four lookups.
        self._tables = [
            [_apply(bits[8 * place : 8 * place + 8], value) for value in range(256)] for place in range(4)
        ]

    def after(self, state: int) -> int:
        """The checksum when the zeros follow what gave *state*."""
        first, second, third, fourth = self._tables
        return first[state & 255] ^ second[state >> 8 & 255] ^ third[state >> 16 & 255] ^ fourth[state >> 24]


def _apply(columns: list[int], value: int) -> int:
    result = 0
    for column in columns:
        if value & 1:
            result ^= column
        value >>= 1
    return result
