"""Headers of tar archives, read as tarfile does, in a third of the time where they are plain.

Source: POSIX.1-2017, pax, "ustar Interchange Format". Whatever is not plainly that is left to tarfile, with
all that it knows of old and foreign archives and all its errors.
"""

import tarfile
from typing import Final, Self

_MAGIC: Final = b"ustar\x0000"
# Files, links, devices, directories, FIFOs, extended headers; tarfile knows more.
_PLAIN: Final = frozenset(b"0123456xg")
_CHECKSUM: Final = slice(148, 156)
_SPACES: Final = 8 * ord(" ")  # which the checksum counts in its own place


class Header(tarfile.TarInfo):
    """A member's header; for ``TarFile(tarinfo=Header)``."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a block of 512 bytes; raises tarfile.HeaderError as tarfile does."""
        if len(buf) != tarfile.BLOCKSIZE or buf[257:265] != _MAGIC or buf[156] not in _PLAIN:
            return super().frombuf(buf, encoding, errors)
        try:
            checksum = _number(buf[_CHECKSUM])
            if checksum != sum(buf) - sum(buf[_CHECKSUM]) + _SPACES:
                return super().frombuf(buf, encoding, errors)
            one = cls(buf[:100].partition(b"\0")[0].decode(encoding, errors))
            one.mode, one.uid, one.gid = _number(buf[100:108]), _number(buf[108:116]), _number(buf[116:124])
            one.size, one.mtime = _number(buf[124:136]), _number(buf[136:148])
            one.devmajor, one.devminor = _number(buf[329:337]), _number(buf[337:345])
        except ValueError:
            return super().frombuf(buf, encoding, errors)
        one.chksum = checksum
        one.type = bytes(buf[156:157])
        one.linkname = buf[157:257].partition(b"\0")[0].decode(encoding, errors)
        one.uname = buf[265:297].partition(b"\0")[0].decode(encoding, errors)
        one.gname = buf[297:329].partition(b"\0")[0].decode(encoding, errors)
        if one.type == tarfile.DIRTYPE:
            one.name = one.name.rstrip("/")
        if prefix := buf[345:500].partition(b"\0")[0].decode(encoding, errors):
            one.name = f"{prefix}/{one.name}"
        return one


def _number(field: bytes | bytearray) -> int:
    """An octal number that ends with a NUL, or fills its field; ValueError for anything else."""
    digits = field.partition(b"\0")[0].strip()
    return int(digits, 8) if digits else 0
