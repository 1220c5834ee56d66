"""Processes of the host by pid and start time, so that a pid that was used again is never hit."""

import contextlib
import os
import re
import signal
import time
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_DEAD: Final = ("Z", "X")
_POLL_S: Final = 0.01


class ProcessId(NamedTuple):
    """A process for certain: ``start`` is its start time in clock ticks after the machine's (proc(5),
    starttime).
    """

    pid: int
    start: int


class _Stat(NamedTuple):
    state: str
    group: int
    session: int
    start: int


def _stat(pid: int | str) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything, also parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def identify(pid: int) -> ProcessId:
    """The process that has this pid now; ``start`` 0 stands for none."""
    stat = _stat(pid)
    return ProcessId(pid, stat.start if stat else 0)


def is_alive(process: ProcessId) -> bool:
    """Whether this very process runs, sleeps or is stopped (a zombie is dead)."""
    stat = _stat(process.pid)
    return stat is not None and stat.start == process.start and stat.state not in _DEAD


def group_members(group: int) -> list[ProcessId]:
    """The live processes of a process group, zombies left out."""
    found = []
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            stat = _stat(entry.name)
            if stat is not None and stat.group == group and stat.state not in _DEAD:
                found.append(ProcessId(int(entry.name), stat.start))
    return found


def orphans_of(leader: ProcessId, program: str) -> list[ProcessId]:
    """Live processes that the dead session leader *leader* has left behind and that run *program*.

    While any of them lives the kernel gives the leader's pid to nobody else; that they are not those of a
    later leader with the same pid is told by the program they run.
    """
    stat = _stat(leader.pid)
    if stat is not None and stat.start != leader.start:
        return []  # somebody else's session by now
    found = []
    for process in group_members(leader.pid):
        own = _stat(process.pid)
        if own is None or own.session != leader.pid or own.start < leader.start:
            continue
        try:
            executable = str((_PROC / str(process.pid) / "exe").readlink())
        except OSError:
            continue
        if executable.removesuffix(" (deleted)") == program:
            found.append(process)
    return found


def kill_processes(processes: list[ProcessId], limit_s: float) -> list[ProcessId]:
    """Kill processes one by one and wait; return those that are still alive after the limit."""
    for process in processes:
        if is_alive(process):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + limit_s
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return alive


def memory_bytes(group: int) -> int:
    """Memory of a User-Mode Linux: its processes' proportional share of every page (proc(5), Pss).

    Helpers that share the leader's memory, told by having the very same size, are not counted again.
    """
    total = 0
    leader = _read(group, "statm").partition(" ")[0]
    for process in group_members(group):
        if process.pid == group or _read(process.pid, "statm").partition(" ")[0] != leader:
            match = re.search(r"^Pss: +(\d+) kB", _read(process.pid, "smaps_rollup"), re.MULTILINE)
            total += int(match[1]) << 10 if match else 0
    return total


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text()
    except OSError:
        return ""


def boot_id() -> str:
    """Names the time since the machine was started; a pid of another one says nothing."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
