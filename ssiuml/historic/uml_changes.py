"""Changes to a root of 2002 for User-Mode Linux (HOWTO 5.6): block devices, and lines of inittab.ssi.

A disk and its partitions have 16 minor numbers: ubd/N is block 98, 16 N. Before 2002 it was 98, N, and an
image of that time still has those numbers.

About inittab.ssi the HOWTO says only this: lines are marked 'For UML', the DHCP daemon has to be turned off,
and the getty has to run on tty0 instead of tty1. A mark may stand in a comment above its line, or behind the
line. The line for User-Mode Linux may already be there, as a comment below its mark. Any other form is
refused: an edit that guesses wrong would give nodes on which nobody can log in.
"""

import re
from dataclasses import replace
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, file

UBD_FOLDER: Final = "dev/ubd"
_UBD_MAJOR: Final = 98
_MINORS_PER_DISK: Final = 16
_MAX_DISKS: Final = 256 // _MINORS_PER_DISK
_DISK_GID: Final = 6  # the group disk of Red Hat and Debian
_OLD_NAME: Final = re.compile(r"dev/ubd/?([0-9]+)")
MARK: Final = "For UML"
_LINES: Final = {"dhcp": "a line that starts a DHCP daemon", "getty": "a line with a getty on tty1"}
_HINT: Final = f"put a comment with '{MARK}' at {_LINES['dhcp']} and at {_LINES['getty']}"


def uml_layer(tree: Tree, ubd_devices: int, inittab: str, mtime_ns: int) -> Layer:
    """Return a layer for *tree* with *ubd_devices* block devices and the edited file *inittab*.

    Raise SsiumlError if *inittab* does not exist or has an unexpected form.
    """
    layer = ubd_layer(tree, ubd_devices, mtime_ns)
    node = tree.find(inittab)
    if node is None or node.content is None:
        raise SsiumlError(
            f"{inittab}: is not in the tree",
            hint="set uml.inittab to the file that the cluster tools install",
        )
    text = edit_for_uml(node.read().decode(errors="surrogateescape"), inittab)
    meta = replace(node.meta, mtime_ns=mtime_ns)
    layer.add(tree.real_path(inittab), file(Literal(text.encode(errors="surrogateescape")), meta))
    return layer


def ubd_layer(tree: Tree, count: int, mtime_ns: int) -> Layer:
    """Return a layer for *tree* with the block devices /dev/ubd/0 to /dev/ubd/*count* - 1.

    A device that *tree* already has keeps its owner, mode and time, and gets the new numbers.
    """
    layer = Layer()
    missing = {f"{UBD_FOLDER}/{number}": number for number in range(count)}
    if tree.find("dev") is not None:
        for path, node in tree.walk("dev"):
            match = _OLD_NAME.fullmatch(path)
            if match and node.kind is Kind.BLOCK and int(match[1]) < _MAX_DISKS:
                layer.add(path, Node(Kind.BLOCK, node.meta, device=ubd_numbers(int(match[1]))))
                missing.pop(path, None)
    meta = Meta(mode=0o660, gid=_DISK_GID, mtime_ns=mtime_ns)
    for path, number in missing.items():
        layer.add(path, Node(Kind.BLOCK, meta, device=ubd_numbers(number)))
    return layer


def ubd_numbers(disk: int) -> tuple[int, int]:
    """Return major and minor number of the block device /dev/ubd/*disk*."""
    return _UBD_MAJOR, _MINORS_PER_DISK * disk


def edit_for_uml(text: str, name: str) -> str:
    """Return *text*, the contents of the file *name*, with its marked lines changed.

    Raise SsiumlError, with the line if there is one, if *text* has an unexpected form.
    """
    lines = text.splitlines(keepends=True)
    done: set[str] = set()
    for number, line in enumerate(lines):
        if MARK.lower() in line.lower() and "#" in line:
            done.add(_edit(lines, _marked_line(lines, number, name), name))
    missing = [line for key, line in _LINES.items() if key not in done]
    if missing:
        raise SsiumlError(f"{name}: there is no mark '{MARK}' at {' and at '.join(missing)}", hint=_HINT)
    return "".join(lines)


def _marked_line(lines: list[str], mark: int, name: str) -> int:
    """Return the number of the line that the mark in line number *mark* is for."""
    if lines[mark].partition("#")[0].strip():
        return mark
    for number in range(mark + 1, len(lines)):
        if lines[number].strip():
            return number
    raise SsiumlError(f"{name}:{mark + 1}: no line follows the mark '{MARK}'", hint=_HINT)


def _edit(lines: list[str], number: int, name: str) -> str:
    """Change the marked line. Return its key in _LINES."""
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
    raise SsiumlError(
        f"{name}:{number + 1}: {line.strip()!r} is marked '{MARK}', but it starts no DHCP daemon "
        "and no getty on tty1 or tty0",
        hint=_HINT,
    )


def _use_alternative(lines: list[str], number: int, name: str) -> None:
    """Turn on the getty on tty0 in line *number*, usually a comment, and turn off the one on tty1."""
    active = [
        other
        for other, line in enumerate(lines)
        if "getty" in line and re.search(r"\btty1\b", line) and not line.lstrip().startswith("#")
    ]
    if len(active) != 1:
        raise SsiumlError(f"{name}: has {len(active)} gettys on tty1, expected is one", hint=_HINT)
    lines[active[0]] = f"#{lines[active[0]]}"
    lines[number] = re.sub(r"^(\s*)#+\s*", r"\1", lines[number])
