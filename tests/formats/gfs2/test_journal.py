"""CRC-32C of log headers: the vectors of RFC 3720, appendix B.4, and zero bytes in one step."""

import pytest

from ssiuml.formats.gfs2.journal import ZeroBytes, crc32c

ALL_ONES = 0xFFFFFFFF
# Data and its usual CRC-32C, which is inverted at the end.
VECTORS = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (b"123456789", 0xE3069283),
]


@pytest.mark.parametrize(("data", "usual"), VECTORS)
def test_crc32c_is_the_usual_one_without_the_inversion_at_the_end(data: bytes, usual: int) -> None:
    assert crc32c(data) == usual ^ ALL_ONES


@pytest.mark.parametrize("count", [0, 1, 7, 8, 392, 3976])
def test_zero_bytes_in_one_step_give_the_checksum_of_each_byte(count: int) -> None:
    zeros = ZeroBytes(count)
    for state in (0, 1, 0x80000000, 0x12345678, ALL_ONES):
        assert zeros.after(state) == crc32c(bytes(count), state)
