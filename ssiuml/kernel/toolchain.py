"""The compiler of Linux 2.4: the host's, or that of an unpacked root of 2002, for 32-bit PCs.

Programs of the root run as an ordinary user in namespaces of their own (bubblewrap), with a 32-bit
personality (setarch). They see that root, read-only, the folders they work in, and no network.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.neutral_names import is_neutral
from ssiuml.host.run import PLAIN_LANGUAGE, PLAIN_UMASK, CommandError, find_tool, run

PROGRAMS: Final = ("gcc", "make")
_TIMEOUT_S: Final = 120.0
_INSIDE: Final = PurePosixPath("/tmp")  # noqa: S108 - inside the root, which always has it; a new tmpfs is mounted there
_I386: Final = re.compile(r"i[3-6]86-")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def compiler_versions() -> list[str]:
    """Return the version lines of this machine's compiler and linker, without those that are missing."""
    programs = [name for name in ("gcc", "ld") if find_tool(name) is not None]
    return [run([name, "--version"], timeout_s=_TIMEOUT_S).partition("\n")[0] for name in programs]


def _require_neutral(path: Path) -> None:
    if not is_neutral(path):
        raise SsiumlError(
            f"{path}: the Makefiles of Linux 2.4 would take this name apart",
            hint="set SSIUML_CACHE, and put the checkout, where names have only letters, digits and /._+-, "
            "or set kernel.toolchain: base-image",
        )


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Programs of the host, or of the root at *root*. They work in *folders*, given by name."""

    root: Path | None = None
    folders: Mapping[str, Path] = field(default_factory=dict)

    def path_inside(self, path: Path) -> str:
        """Return the path that the programs have for *path*, which lies in one of the folders."""
        if self.root is None:
            return str(path)
        for name, folder in self.folders.items():
            if path.is_relative_to(folder):
                return str(_INSIDE / name / path.relative_to(folder))
        raise ValueError(f"{path} is in none of {', '.join(map(str, self.folders.values()))}")

    def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        timeout_s: float,
        on_line: Callable[[str], None] | None = None,
        stdin: bytes | None = None,
    ) -> str:
        """Run a program in *folder*, which is in one of the folders. Return its output.

        Raise CommandError as ssiuml.host.run.run does. Raise SsiumlError if make of the host would take the
        name of a folder apart; in a root the folders have other names.
        """
        words = [*PLAIN_UMASK, *argv]
        if self.root is None:
            for path in (folder, *self.folders.values()):
                _require_neutral(path)
            cwd: Path | None = folder
        else:
            cwd, words = None, [*self._entered(self.root, folder), *words]
        # configure and make must not depend on variables of the caller's shell.
        return run(
            words,
            timeout_s=timeout_s,
            cwd=cwd,
            env=PLAIN_LANGUAGE,
            pass_on=("PATH", "HOME", "TMPDIR"),
            on_line=on_line,
            stdin=stdin,
        )

    def _entered(self, root: Path, folder: Path) -> list[str]:
        words = ["setarch", "i686", "bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
        words += ["--uid", "0", "--gid", "0", "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"]
        words += ["--tmpfs", str(_INSIDE), "--setenv", "PATH", _PATH, "--setenv", "HOME", str(_INSIDE)]
        for path in self.folders.values():
            words += ["--bind", str(path), self.path_inside(path)]
        return [*words, "--chdir", self.path_inside(folder), "--"]

    def check(self) -> None:
        """Raise SsiumlError unless the root's programs run here and it has a compiler for i386.

        Raise CommandError if a program of this machine is missing, or does not end.
        """
        if self.root is None:
            return
        start = Path(self.root)
        here = Toolchain(self.root, {"start": start})
        try:
            here.run(["true"], folder=start, timeout_s=_TIMEOUT_S)
        except CommandError as error:
            if error.status is None:
                raise
            if "Exec format error" not in error.output:
                raise SsiumlError(
                    f"kernel.toolchain: no program of {self.root} runs here\n{error.output}"
                ) from error
            raise SsiumlError(
                f"kernel.toolchain: the shell of {self.root} is for another machine than this one can run",
                hint="use a kernel with CONFIG_IA32_EMULATION, or register qemu-i386 with binfmt_misc",
            ) from error
        for program in PROGRAMS:
            try:
                here.run(["sh", "-c", f"type {program}"], folder=start, timeout_s=_TIMEOUT_S)
            except CommandError as error:
                if error.status is None:
                    raise
                raise SsiumlError(
                    f"kernel.toolchain: there is no {program} in {self.root}",
                    hint="set it to {folder: DIR}, an unpacked root that has it, or kernel.source to none",
                ) from error
        machine = here.run(["gcc", "-dumpmachine"], folder=start, timeout_s=_TIMEOUT_S).strip()
        if not _I386.match(machine):
            raise SsiumlError(
                f"kernel.toolchain: the gcc of {self.root} compiles for {machine}; Linux 2.4 needs i386's"
            )
