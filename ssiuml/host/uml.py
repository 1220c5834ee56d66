"""The command line and the console of User-Mode Linux, as far as build appliance and nodes share them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

TAIL_LINES: Final = 25
NODE_MEMORY_MIB: Final = 192  # the default of a node; 96 were too little
_STACK_FRAME: Final = re.compile(r"\s*\[<[0-9a-f]+>\]")
# No quotes: they would make a parameter of the next words, or hide the name from the checks below.
_PARAMETER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:-]*(=[!#-~]*)?")
# What User-Mode Linux takes from its command line, from 2.4 to today: files, sockets and programs of the host,
# and the memory. Most of it are prefixes for the kernel, too.
_MACHINE_PREFIXES: Final = (
    *("ubd", "udb", "con", "ssl", "eth", "vec", "umn", "mconsole", "uml_", "hostfs", "humfs", "hostaudio"),
    *("virtio", "vfio", "tty_log", "time_travel"),
)
_MACHINE_NAMES: Final = frozenset(
    (
        *("mem", "iomem", "initrd", "dtb", "umid", "root", "xterm", "stderr", "dsp", "mixer", "mode", "jail"),
        *("honeypot", "debug", "debugtrace", "trace", "gdb", "gdb_pid", "fake_ide", "fakehd", "ncpus", "aio"),
        *("seccomp", "noreboot", "nosysemu", "skas0", "noprocmm"),
    )
)


def parameter_problem(text: str) -> tuple[str, str] | None:
    """Return why a recipe or a manifest may not give *text* as a kernel parameter, and a hint. None if it may.

    An image may come from elsewhere. Options of User-Mode Linux itself, such as ``ubd1=/home/me/keys``, would
    give its nodes files of this machine.
    """
    if not _PARAMETER.fullmatch(text):
        return f"{text!r} is not a kernel parameter", "write NAME or NAME=VALUE, without spaces and quotes"
    name = text.partition("=")[0].replace("-", "_")  # the kernel takes both for the same
    if name.startswith("ssi."):
        return f"{text!r} is set by the commands that start nodes", "leave it out"
    if name in _MACHINE_NAMES or name.startswith(_MACHINE_PREFIXES):
        return (
            f"{text!r} is an option of User-Mode Linux itself, which only the commands that start nodes may set",
            "leave it out",
        )
    return None


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
