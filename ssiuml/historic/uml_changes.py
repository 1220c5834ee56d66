"""What a root of 2002 needs changed for User-Mode Linux (HOWTO 5.6): block devices, lines of inittab.ssi.

A disk and its partitions have 16 minor numbers: ubd/N is block 98, 16 N. Before 2002 it was 98, N, and an
image of that time still has those.

Of inittab.ssi the HOWTO says that lines are marked 'For UML', that the DHCP daemon is to be turned off, and
that the getty belongs on tty0 instead of tty1. No more is known. A mark may stand in a comment above its
line, or behind it; the line for User-Mode Linux may exist already, as a comment below its mark. Anything else
is refused: an edit that guesses wrong would give nodes on which nobody can log in.
"""

import re
from dataclasses import replace
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, file

MARK: Final = "For UML"
_LOOKED_FOR: Final = (
    f"looked for: comments with '{MARK}' at a line that starts a DHCP daemon, and at one with a getty on tty1"
)

MAJOR: Final = 98
MINORS: Final = 16
FOLDER: Final = "dev/ubd"
_DISK_GID: Final = 6  # as Red Hat and Debian have it
_OLD_NAME: Final = re.compile(r"dev/ubd/?([0-9]+)")


class InittabError(SsiumlError):
    """The file has no marked lines, or others than are known."""


def uml_layer(tree: Tree, ubd_devices: int, inittab: str, mtime_ns: int) -> Layer:
    """Return the layer with block devices up to *ubd_devices*, and the file *inittab* edited.

    *tree* is what the layer will lie on. Raises InittabError if *inittab* does not exist or is unexpected.
    """
    layer = ubd_layer(tree, ubd_devices, mtime_ns)
    node = tree.find(inittab)
    if node is None or node.content is None:
        raise InittabError(
            f"{inittab}: is not in the tree", hint="do the cluster tools install it? see uml.inittab"
        )
    text = edit_for_uml(node.read().decode(errors="surrogateescape"), inittab)
    meta = replace(node.meta, mtime_ns=mtime_ns)
    layer.add(tree.real_path(inittab), file(Literal(text.encode(errors="surrogateescape")), meta))
    return layer


def ubd_layer(tree: Tree, count: int, mtime_ns: int) -> Layer:
    """The layer with /dev/ubd/0 up to *count* of them, and new numbers for all that *tree* has already."""
    layer = Layer()
    fresh = {f"{FOLDER}/{number}": number for number in range(count)}
    if tree.find("dev") is not None:
        for path, node in tree.walk("dev"):
            match = _OLD_NAME.fullmatch(path)
            if match and node.kind is Kind.BLOCK and int(match[1]) < 256 // MINORS:
                device = (MAJOR, MINORS * int(match[1]))
                layer.add(path, Node(Kind.BLOCK, node.meta, device=device))
                fresh.pop(path, None)
    meta = Meta(mode=0o660, gid=_DISK_GID, mtime_ns=mtime_ns)
    for path, number in fresh.items():
        layer.add(path, Node(Kind.BLOCK, meta, device=(MAJOR, MINORS * number)))
    return layer


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
