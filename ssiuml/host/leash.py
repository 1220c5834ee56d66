"""Programs that must not outlive this process, whatever ends it."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

# A signal at the parent's death (prctl PR_SET_PDEATHSIG) would reach one process only, and a User-Mode
# Linux whose first process is killed leaves those of its guest behind, with the disks still open.
# So a shell of its own waits on a pipe that closes when we die, and then ends the program's whole group,
# politely first. It is there before the program is, and in no relation to it.
_WATCH: Final = """
read -r _
kill -TERM -- "-$1" || exit
for ((tries = 0; tries < $2; tries++)); do
    kill -0 -- "-$1" || exit
    sleep 0.1
done
kill -KILL -- "-$1"
"""
_START: Final = """
fd=$1 tries=$2 watch=$3 variables=$4
shift 4
(setsid bash -p -c "$watch" bash "$$" "$tries" <&"$fd" >/dev/null 2>&1 &)
exec {fd}<&-
for ((; variables; variables--)); do
    export "$1"
    shift
done
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Leash:
    """*prefix* goes before the program's argument list, and the program has to inherit *fd*."""

    prefix: tuple[str, ...]
    fd: int


@contextmanager
def leash(grace_s: float, env: Mapping[str, str] | None = None) -> Iterator[Leash]:
    """For a program started in a process group of its own: it ends with this block, or with this process.

    Its group gets SIGTERM then, and SIGKILL *grace_s* seconds later. *env* is added to the program's
    environment, and not to that of the shells, which may go on for a moment behind it: what is preloaded for
    the one is nothing for the others.
    """
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    try:
        ticks = str(round(grace_s * 10))
        # -p: whatever BASH_ENV and exported functions the user has, they are not for this shell.
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        words = [str(read_end), ticks, _WATCH, str(len(variables)), *variables]
        yield Leash(("bash", "-p", "-c", _START, "bash", *words), read_end)
    finally:
        os.close(read_end)
        os.close(write_end)


def kill_group(group: int) -> None:
    """Kill every process of a group that is ours, stopped ones too; nothing happens if there is none left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
