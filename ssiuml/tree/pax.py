"""Records of pax headers: times, extended attributes, access control lists.

Sources: POSIX.1-2017, pax; GNU tar (xheader.c, xattrs.c); star(5) for SCHILY.*; libarchive
(archive_write_set_format_pax.c) for LIBARCHIVE.*. A record that means something that a tree cannot hold is
refused by name, as is one that we do not know.
"""

import base64
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from ssiuml.errors import SsiumlError
from ssiuml.tree.acl import ACCESS, DEFAULT, AclError, is_plain, read_acl

XATTR: Final = "SCHILY.xattr."
NS: Final = 1_000_000_000
_LIBARCHIVE_XATTR: Final = "LIBARCHIVE.xattr."
_SELINUX: Final = "RHT.security.selinux"
_SELINUX_XATTR: Final = "security.selinux"
_ACLS: Final = {"SCHILY.acl.access": ACCESS, "SCHILY.acl.default": DEFAULT}
# A tree has owners by number, no times but that of modification, and no device and inode numbers, as one of a
# folder. tarfile reads names, sizes and the maps of sparse files.
_WITHOUT_LOSS: Final = frozenset(
    {
        *("atime", "charset", "comment", "ctime", "gid", "gname", "hdrcharset", "linkpath", "mtime", "path"),
        *("size", "uid", "uname", "GNU.volume.label", "LIBARCHIVE.creationtime", "LIBARCHIVE.symlinktype"),
        *("SCHILY.archtype", "SCHILY.dev", "SCHILY.devmajor", "SCHILY.devminor", "SCHILY.ino"),
        *("SCHILY.nlink", "SCHILY.release"),
    }
)
_SPARSE: Final = "GNU.sparse."
_HINTS: Final = {
    "SCHILY.fflags": "pack it with bsdtar --no-fflags, if the files may lose their flags",
    "SCHILY.acl.ace": "pack it from a file system without NFSv4 lists, or with --no-acls",
    "GNU.dumpdir": "pack it without --listed-incremental",
    "GNU.volume.filename": "join the volumes, or pack it without --multi-volume",
}
_NUMBERS: Final = ("gid", "size", "uid")
_TIME: Final = re.compile(r"(-?)(?=[.]?[0-9])([0-9]*)(?:[.]([0-9]*))?", re.ASCII)


class RecordError(SsiumlError):
    """A record cannot be read, or means something that a tree cannot hold."""


def mtime_ns_of(records: Mapping[str, str]) -> int | None:
    """Return the time of modification, None if the records have none. Digits beyond nanoseconds are dropped.

    tarfile turns it into a float, which loses nanoseconds, but keeps the text of the record.
    """
    text = records.get("mtime")
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise RecordError(f"has the time '{text}', which is no number of seconds")
    sign, whole, fraction = match.groups()
    time_ns = int(whole or "0") * NS + int((fraction or "").ljust(9, "0")[:9])
    return -time_ns if sign else time_ns


def check_records(records: Mapping[str, str], *, is_sparse: bool) -> None:
    """Raise RecordError, with its name, for a record whose meaning would be lost."""
    for key in records:
        if key in _WITHOUT_LOSS or key in _ACLS or key == _SELINUX:
            continue
        if key.startswith((XATTR, _LIBARCHIVE_XATTR)) or (is_sparse and key.startswith(_SPARSE)):
            continue
        raise RecordError(
            f"has the pax record '{key}', which a tree cannot hold",
            hint=_HINTS.get(key, f"pack it without {key}, if that may get lost"),
        )
    for key in _NUMBERS:
        number = records.get(key, "0")
        if not (number.isascii() and number.isdigit()):  # tarfile takes it for 0
            raise RecordError(f"has the {key} '{number}', which is no whole number")


def xattrs_of(records: Mapping[str, str], mode: int, *, is_directory: bool) -> tuple[dict[str, bytes], int]:
    """Return the extended attributes, access control lists included, and *mode* as these lists change it.

    Raise RecordError if an attribute is there twice with different values, or if a list cannot be read.
    """
    found: dict[str, bytes] = {}
    for key, text in records.items():
        if key.startswith(XATTR):
            _put(found, _xattr_name(key, records), text.encode("utf-8", "surrogateescape"))
        elif key.startswith(_LIBARCHIVE_XATTR):
            name = unquote(key.removeprefix(_LIBARCHIVE_XATTR), errors="surrogateescape")
            _put(found, name, _base64(key, text))
        elif key == _SELINUX:
            # setfilecon(3) stores the label with its final NUL.
            _put(found, _SELINUX_XATTR, text.encode("utf-8", "surrogateescape") + b"\0")
    for key, name in _ACLS.items():
        if text := records.get(key, ""):
            mode = _put_acl(found, name, key, text, mode, is_directory)
    return found, mode


def _put(found: dict[str, bytes], name: str, value: bytes) -> None:
    known = found.setdefault(name, value)
    if known == value:
        return
    if name == _SELINUX_XATTR and known.rstrip(b"\0") == value.rstrip(b"\0"):
        return
    raise RecordError(f"has two different values of the attribute '{name}'")


def _put_acl(found: dict[str, bytes], name: str, key: str, text: str, mode: int, is_directory: bool) -> int:
    """Add the list *text*, unless there is one with numbers. Return *mode* with the bits of the list."""
    if name in found:  # GNU tar with --acls --xattrs writes the kernel's own form too
        return mode
    try:
        value, bits = read_acl(text)
    except AclError as error:
        raise RecordError(
            f"has an access control list ({key}) that {error.message}", hint=error.hint
        ) from error
    if name == ACCESS:
        # The kernel keeps both in step. bsdtar puts other bits for the group into the header.
        mode = mode & ~0o777 | bits
        if is_plain(value):
            return mode
    elif not is_directory:
        raise RecordError(f"has a default access control list ({key}), but is no folder")
    found[name] = value
    return mode


def _base64(key: str, text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise RecordError(f"has the pax record '{key}', which is no base64") from error


def pax_keyword(xattr: str) -> str:
    """Return the keyword for an attribute's name. A keyword ends at its first '='."""
    # As in GNU tar, xattr_encode_keyword.
    return XATTR + xattr.replace("%", "%25").replace("=", "%3D")


def _xattr_name(key: str, records: Mapping[str, str]) -> str:
    keyword = key.removeprefix(XATTR)
    if _LIBARCHIVE_XATTR + keyword in records:  # bsdtar encodes the name as in a URL, in both records
        return unquote(keyword, errors="surrogateescape")
    return keyword.replace("%3D", "=").replace("%25", "%")
