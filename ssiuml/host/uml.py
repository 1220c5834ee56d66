"""What every User-Mode Linux process of ours has in common, build appliance and node alike."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

TAIL_LINES: Final = 25
NODE_MEMORY_MIB: Final = 192  # a node's, unless somebody says otherwise; 96 were too little
_STACK_FRAME: Final = re.compile(r"\s*\[<[0-9a-f]+>\]")


def command_line(
    kernel: Path, *, memory_mib: int, initrd: Path, disks: Mapping[str, Path], folder: Path
) -> list[str]:
    """The program and the kernel parameters; the caller adds a console and parameters of the guest.

    *disks* by name, with flags as User-Mode Linux has them: ``ubd0`` is locked for one kernel, ``ubd1r``
    is read-only, ``ubd0c`` shared. *folder* takes the management socket; it is private.
    """
    return [
        str(kernel),
        f"mem={memory_mib}M",
        f"initrd={initrd}",
        *(f"{disk}={_quoted(path)}" for disk, path in disks.items()),
        f"uml_dir={folder}",
        "con=null",
        "ssl=null",
    ]


def _quoted(path: Path) -> str:
    """The kernel splits parameters at blanks, but for those in quotation marks (next_arg, lib/cmdline.c)."""
    return f'"{path}"' if any(map(str.isspace, str(path))) else str(path)


def console_tail(lines: Iterable[str]) -> str:
    """The last lines of a console for an error message; a panic's stack would push its reason out."""
    said = [line.rstrip() for line in lines if line.strip() and not _STACK_FRAME.match(line)]
    return "\n".join(f"    {line}" for line in said[-TAIL_LINES:])
