"""The times when the originals were made, in seconds since 1970. No stand-in has a time of today."""

from typing import Final
from zlib import crc32

NS: Final = 1_000_000_000
# Red Hat Linux 7.2 came out on 22 October 2001.
RED_HAT_S: Final = 1_003_708_800
# The SSI release 0.6.5, some days before the HOWTO's revision 1.00 of 9 May 2002.
RELEASE_S: Final = 1_020_643_200
_SPREAD_S: Final = 150 * 86400


def stamp_ns(path: str, newest_s: int = RED_HAT_S) -> int:
    """Return a time for *path* in the five months before *newest_s*, in whole seconds as ext2 keeps it."""
    return (newest_s - crc32(path.encode("utf-8", "surrogateescape")) % _SPREAD_S) * NS
