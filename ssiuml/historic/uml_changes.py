"""The lines of inittab.ssi that are marked 'For UML' (HOWTO 5.6): no DHCP daemon, a login on tty0.

What the HOWTO says of them is all that is known: that they are marked, that the DHCP daemon is to be turned
off, and that the getty belongs on tty0 instead of tty1. A mark may stand in a comment above its line, or
behind it; the line for User-Mode Linux may be there already, as a comment below its mark. Everything else is
refused: an edit that guesses wrong would give nodes that nobody can log in to.
"""

import re
from typing import Final

from ssiuml.errors import SsiumlError

MARK: Final = "For UML"
_LOOKED_FOR: Final = (
    f"looked for: comments with '{MARK}' at a line that starts a DHCP daemon, and at one with a getty on tty1"
)


class InittabError(SsiumlError):
    """The file has no marked lines, or others than are known."""


def edit_for_uml(text: str, name: str) -> str:
    """Return the text of the file *name* with its marked lines changed; InittabError if it is unexpected."""
    lines = text.splitlines(keepends=True)
    done: set[str] = set()
    for number, line in enumerate(lines):
        if MARK.lower() in line.lower() and "#" in line:
            done.add(_edit(lines, _target_of(lines, number, name), name))
    missing = {"dhcp", "getty"} - done
    if missing:
        what = {"dhcp": "a line that starts a DHCP daemon", "getty": "a line with a getty on tty1"}
        absent = " and ".join(what[each] for each in sorted(missing))
        raise InittabError(f"{name}: {absent} is not marked '{MARK}'", hint=_LOOKED_FOR)
    return "".join(lines)


def _target_of(lines: list[str], mark: int, name: str) -> int:
    """The line that the mark in line number *mark* is for."""
    if lines[mark].partition("#")[0].strip():
        return mark
    for number in range(mark + 1, len(lines)):
        if lines[number].strip():
            return number
    raise InittabError(f"{name}:{mark + 1}: there is no line for the mark '{MARK}'", hint=_LOOKED_FOR)


def _edit(lines: list[str], number: int, name: str) -> str:
    line = lines[number]
    is_comment = line.lstrip().startswith("#")
    if "dhcp" in line.lower():
        if not is_comment:
            lines[number] = f"#{line}"
        return "dhcp"
    if "getty" in line and re.search(r"\btty1\b", line) and not is_comment:
        lines[number] = re.sub(r"\btty1\b", "tty0", line)
        return "getty"
    if "getty" in line and re.search(r"\btty0\b", line):
        _use_alternative(lines, number, name)
        return "getty"
    raise InittabError(f"{name}:{number + 1}: {line.strip()!r} is not what was expected", hint=_LOOKED_FOR)


def _use_alternative(lines: list[str], number: int, name: str) -> None:
    """Take the commented-out getty on tty0 in line *number* in place of the one on tty1."""
    active = [
        other
        for other, line in enumerate(lines)
        if "getty" in line and re.search(r"\btty1\b", line) and not line.lstrip().startswith("#")
    ]
    if len(active) != 1:
        raise InittabError(f"{name}: has {len(active)} gettys on tty1, expected is one", hint=_LOOKED_FOR)
    lines[active[0]] = f"#{lines[active[0]]}"
    lines[number] = re.sub(r"^(\s*)#+\s*", r"\1", lines[number])
