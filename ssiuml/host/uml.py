"""User-Mode Linux, as build appliance and nodes share it: command line, parameters, memory, console."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host.run import find_tool, run

SHM: Final = Path("/dev/shm")  # noqa: S108 - a tmpfs wherever it exists
TAIL_LINES: Final = 25
NODE_MEMORY_MIB: Final = 192  # the default of a node; 96 were too little
# How guest processes run. Under ptrace they cannot reach the memory of their kernel. With seccomp they are
# faster, and can reach all memory of their node (help of the option seccomp= of Linux 7).
Userspace = Literal["ptrace", "seccomp"]
USERSPACES: Final[tuple[Userspace, ...]] = ("ptrace", "seccomp")
_HELP_LIMIT_S: Final = 60.0
_STACK_FRAME: Final = re.compile(r"\s*\[<[0-9a-f]+>\]")
# No quotes: they would make a parameter of the next words, or hide the name from the checks below.
_PARAMETER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:-]*(=[!#-~]*)?")
# What User-Mode Linux takes from its command line, from 2.4 to today: files, sockets and programs of this
# machine, and its memory. The kernel, too, takes most of the first ones as prefixes.
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
# What the end of a console explains, by what the console has.
_EXPLAINED: Final = (
    # User-Mode Linux before 6.13 prints this, then panics, if the host's processor has registers beyond
    # AVX-512: its room for them is fixed (HOST_FP_SIZE in arch/x86/um/user-offsets.c).
    (
        re.compile(r"ptrace set fp regs failed"),
        "This kernel is older than Linux 6.13 and has no room for this machine's registers (AMX). "
        "Use an image with a later kernel, such as that of the recipe trixie.",
    ),
    # ld.so prints this: a ready kernel of a distribution that is newer than the host.
    (
        re.compile(r"version `(GLIBC_[0-9.]+)' not found"),
        r"This kernel needs \1, and this machine's C library is older. Use an image whose kernel is built "
        "here, such as that of the recipe trixie, or a kernel of an older release (kernel.suite).",
    ),
)
# Source: arch/um/drivers/cow_user.c, COW_MAGIC; in the byte order of the machine or the other one.
_COPY_ON_WRITE: Final = b"MOOO"


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


def parameter_problem(text: str) -> tuple[str, str] | None:
    """Return why a recipe or image may not give the kernel parameter *text*, and a hint. None if it may.

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
            f"{text!r} is an option of User-Mode Linux itself, which only the commands that start nodes may "
            "set",
            "leave it out",
        )
    return None


def userspace_parameters(userspace: Userspace) -> tuple[str, ...]:
    """Return the kernel parameters that choose how guest processes run. ptrace is what every kernel does."""
    return ("seccomp=on",) if userspace == "seccomp" else ()


def require_userspace(kernel: Path, userspace: Userspace) -> None:
    """Raise UsageError if *kernel*, a User-Mode Linux of today, cannot run guest processes in this way.

    Linux has the option since 6.16, and lists it in its help.
    """
    if userspace == "seccomp" and "seccomp=" not in run(
        [kernel.absolute(), "--help"], timeout_s=_HELP_LIMIT_S
    ):
        raise UsageError(
            f"userspace seccomp: the kernel {kernel} can run guest processes under ptrace only",
            hint="use ptrace, or a kernel of Linux 6.16 or later, such as that of the recipe trixie",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A User-Mode Linux: its program, its files and what else its kernel gets.

    The kernel takes its command line apart at blanks, commas, colons and quotes, and names of sockets are
    short. So the program runs in *folder*, which is private, and opens its files by links with short names
    there.
    *disks* has files by device name with the flags of User-Mode Linux: ``ubd0`` is locked for one kernel,
    ``ubd1r`` is read-only, ``ubd0c`` is shared. *name* differs from those of other machines in *folder*. The
    management socket is *folder*/*name*/mconsole.

    All its processes run on *processor*, by the host's number; None: on any. A system call of the guest goes
    back and forth between two of them, which takes a third of the time if they share a processor.
    """

    name: str
    kernel: Path
    folder: Path
    memory_mib: int
    initrd: Path
    disks: Mapping[str, Path]
    parameters: Sequence[str] = ()
    processor: int | None = None
    is_linux24: bool = False

    @property
    def argv(self) -> list[str]:
        """The command line. The program runs in *folder*, when ``prepare`` has made that."""
        # Flag d: a disk that begins like a copy-on-write file is no such file. Without it the kernel would
        # open the file of this machine that is named there. A node can write such a beginning to its root
        # while others start. Linux 2.4 does not have the flag.
        flag = "" if self.is_linux24 else "d"
        return [
            *self._pinning,
            str(self.kernel.absolute()),
            f"mem={self.memory_mib}M",
            f"initrd={self._link('initrd')}",
            *(f"{disk}{flag}={self._link(disk)}" for disk in self.disks),
            "uml_dir=.",
            f"umid={self.name}",
            "con=null",
            "ssl=null",
            *self.parameters,
        ]

    @property
    def _pinning(self) -> list[str]:
        if self.processor is None:
            return []
        return [find_tool("taskset") or "taskset", "--cpu-list", str(self.processor)]

    def prepare(self) -> None:
        """Make the links. Raise SsiumlError if the kernel would open another file than a disk."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, target in self.links.items():
            link = self.folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        for path in self.disks.values():
            with path.open("rb") as stream:
                if stream.read(len(_COPY_ON_WRITE)) in (_COPY_ON_WRITE, _COPY_ON_WRITE[::-1]):
                    raise SsiumlError(
                        f"{path}: is a copy-on-write file of User-Mode Linux, which names another file",
                        hint="use another image, or ask who made this one",
                    )

    @property
    def links(self) -> dict[str, Path]:
        """The names of the links in *folder*, and where they lead."""
        files = {"initrd": self.initrd, **self.disks}
        return {self._link(name): path.absolute() for name, path in files.items()}

    def _link(self, name: str) -> str:
        return f"{self.name}.{name}"


def console_tail(lines: Iterable[str]) -> str:
    """Return the last lines of a console for an error message, without the stack frames of a panic.

    These would push out the reason of the panic, which comes before them. A last line explains a reason that
    does not explain itself.
    """
    kept = [line.rstrip() for line in lines if line.strip() and not _STACK_FRAME.match(line)]
    shown = kept[-TAIL_LINES:]
    for pattern, explanation in _EXPLAINED:
        found = next(filter(None, map(pattern.search, kept)), None)
        if found is not None:
            shown.append(found.expand(explanation))
    return "\n".join(f"    {line}" for line in shown)
