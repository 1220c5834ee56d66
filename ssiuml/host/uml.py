"""The command line and the console of User-Mode Linux, as far as build appliance and nodes share them."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError

SHM: Final = Path("/dev/shm")  # noqa: S108 - a tmpfs wherever it exists
TAIL_LINES: Final = 25
NODE_MEMORY_MIB: Final = 192  # the default of a node; 96 were too little
_STACK_FRAME: Final = re.compile(r"\s*\[<[0-9a-f]+>\]")


def memory_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder where User-Mode Linux keeps the memory of a machine, in files without names.

    Source: choose_tempdir in arch/um/os-Linux/mem.c.
    """
    named = next((environ[name] for name in ("TMPDIR", "TMP", "TEMP") if environ.get(name)), None)
    if named is not None:
        return Path(named)
    return SHM if SHM.is_dir() else Path("/tmp")  # noqa: S108 - as User-Mode Linux does


def require_memory_folder(environ: Mapping[str, str]) -> None:
    """Raise SsiumlError if User-Mode Linux could not run programs in the folder of its memory."""
    folder = memory_folder(environ)
    with suppress(OSError):  # User-Mode Linux reports a folder that does not exist
        if os.statvfs(folder).f_flag & os.ST_NOEXEC:
            raise SsiumlError(
                f"{folder}: is mounted noexec; User-Mode Linux has a machine's memory there, "
                "programs included",
                hint="set TMPDIR to a folder that is mounted without noexec, best on a tmpfs",
            )


def command_line(
    kernel: Path, *, memory_mib: int, initrd: Path, disks: Mapping[str, Path], folder: Path
) -> list[str]:
    """Return the program and the kernel parameters. The caller adds a console and the guest's parameters.

    *disks* has files by device name with the flags of User-Mode Linux: ``ubd0`` is locked for one kernel,
    ``ubd1r`` is read-only, ``ubd0c`` is shared. *folder* is for the management socket, and is private.
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
    """Quote *path* if it has blanks: the kernel splits parameters there (next_arg in lib/cmdline.c)."""
    return f'"{path}"' if any(map(str.isspace, str(path))) else str(path)


def console_tail(lines: Iterable[str]) -> str:
    """Return the last lines of a console for an error message, without the stack frames of a panic.

    These would push out the reason of the panic, which comes before them.
    """
    kept = [line.rstrip() for line in lines if line.strip() and not _STACK_FRAME.match(line)]
    return "\n".join(f"    {line}" for line in kept[-TAIL_LINES:])
