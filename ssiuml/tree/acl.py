"""POSIX access control lists: from the text in an archive to the value of the attribute in the kernel.

Sources: POSIX.1e draft 17, acl_from_text; star(5) for the fourth field; linux/posix_acl_xattr.h.
"""

import grp
import pwd
import re
import struct
from collections.abc import Callable
from typing import Final

from ssiuml.errors import SsiumlError

ACCESS: Final = "system.posix_acl_access"
DEFAULT: Final = "system.posix_acl_default"
_VERSION: Final = 2  # POSIX_ACL_XATTR_VERSION
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID: Final = 0xFFFFFFFF  # ACL_UNDEFINED_ID
# By the first letter of the entry: the tag, and the tag of an entry with a name.
_TAGS: Final = {"u": (_USER_OBJ, _USER), "g": (_GROUP_OBJ, _GROUP), "m": (_MASK, None), "o": (_OTHER, None)}
_LOOKUPS: Final[dict[int, Callable[[str], int]]] = {
    _USER: lambda name: pwd.getpwnam(name).pw_uid,
    _GROUP: lambda name: grp.getgrnam(name).gr_gid,
}
_ENTRY: Final = re.compile(
    r"(u|user|g|group|m|mask|o|other):(?:([^:]*):)?([r-]?[w-]?[x-]?)(?::([0-9]+))?", re.ASCII
)


class AclError(SsiumlError):
    """The text is no access control list, or names a user or group that this machine does not know."""


def read_acl(text: str) -> tuple[bytes, int]:
    """Return the list as the kernel's attribute has it, and the nine permission bits of a mode.

    Names become the numbers behind them, if the text has these, or those that this machine gives the names,
    as with GNU tar and bsdtar. Raise AclError.
    """
    entries: dict[tuple[int, int], int] = {}
    for line in re.split(r"[,\n]", text):
        if not (word := line.partition("#")[0].strip()):
            continue
        tag, number, permissions = _entry(word)
        if (tag, number) in entries:
            raise AclError(f"has the entry '{word}' twice")
        entries[tag, number] = permissions
    base = [entries.get((tag, _NO_ID)) for tag in (_USER_OBJ, _GROUP_OBJ, _OTHER)]
    mask = entries.get((_MASK, _NO_ID))
    if None in base or (mask is None and len(entries) > len(base)):
        raise AclError("lacks one of the entries user, group, other and, with names, mask")
    user, group, other = (bits or 0 for bits in base)
    value = struct.pack("<I", _VERSION) + b"".join(
        struct.pack("<HHI", tag, permissions, number)
        for (tag, number), permissions in sorted(entries.items())
    )
    return value, user << 6 | (group if mask is None else mask) << 3 | other


def is_plain(value: bytes) -> bool:
    """Return whether the list says no more than a mode does: it has three entries."""
    return len(value) == 4 + 3 * 8


def _entry(word: str) -> tuple[int, int, int]:
    """Return tag, id and permissions of an entry such as ``user:lisa:rw-:1001``."""
    match = _ENTRY.fullmatch(word)
    if match is None:
        raise AclError(f"has the entry '{word}', which is none of user, group, mask and other")
    kind, name, letters, number = match.groups()
    permissions = sum(bit for letter, bit in (("r", 4), ("w", 2), ("x", 1)) if letter in letters)
    tag, named = _TAGS[kind[0]]
    if not name:
        return tag, _NO_ID, permissions
    if named is None:
        raise AclError(f"has the entry '{word}': {kind} has no name")
    return named, _id(named, name, number), permissions


def _id(tag: int, name: str, number: str | None) -> int:
    digits = number or name
    try:
        found = int(digits) if digits.isascii() and digits.isdigit() else _LOOKUPS[tag](name)
    except KeyError as error:
        kind = "user" if tag == _USER else "group"
        raise AclError(
            f"names the {kind} '{name}', which this machine does not know",
            hint="pack it with tar --acls --xattrs or with bsdtar, which write numbers too",
        ) from error
    if found >= _NO_ID:
        raise AclError(f"has the id {found}, the largest is {_NO_ID - 1}")
    return found
