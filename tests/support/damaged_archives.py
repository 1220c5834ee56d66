"""Tar archives with wrong bytes in them."""

from pathlib import Path

from hypothesis import strategies as st


def damage(data: st.DataObject, archive: Path, last: int, likely: bytes) -> None:
    """Change one to three bytes of *archive*, up to byte *last*, often to one of *likely*.

    Some headers get a checksum that fits, so that more than the checksum is tried.
    """
    damaged = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        spot = data.draw(st.integers(0, min(last, len(damaged) - 1)))
        damaged[spot] = data.draw(st.sampled_from(likely) | st.integers(0, 255))
        if data.draw(st.booleans()):
            start = spot - spot % 512
            block = damaged[start : start + 148] + b" " * 8 + damaged[start + 156 : start + 512]
            damaged[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    archive.write_bytes(damaged)
