"""Processes of the host, identified by pid and start time.

The start time tells a process from a later one to which the kernel gave the same pid.
"""

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
    """Identifies one process.

    ``start`` is its start time in clock ticks since the machine's boot (proc(5), starttime).
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
    # The name stands in parentheses and may itself hold parentheses and blanks.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def identify(pid: int) -> ProcessId:
    """Return the process that has this pid now. Its ``start`` is 0 if there is none."""
    stat = _stat(pid)
    return ProcessId(pid, stat.start if stat else 0)


def is_alive(process: ProcessId) -> bool:
    """Return whether this process runs, sleeps or is stopped. A zombie is dead."""
    stat = _stat(process.pid)
    return stat is not None and stat.start == process.start and stat.state not in _DEAD


def group_members(group: int) -> list[ProcessId]:
    """Return the live processes of a process group. Zombies are left out."""
    found = []
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            stat = _stat(entry.name)
            if stat is not None and stat.group == group and stat.state not in _DEAD:
                found.append(ProcessId(int(entry.name), stat.start))
    return found


def orphans_of(leader: ProcessId, program: str) -> list[ProcessId]:
    """Return live processes of the session of *leader*, which is dead, that run *program*.

    While one of them lives, the kernel gives the leader's pid to no other process. If all have ended, a later
    session may have the same number; its processes run another program and are left out.
    """
    stat = _stat(leader.pid)
    if stat is not None and stat.start != leader.start:
        return []  # the pid belongs to another session now
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
    """Kill processes one by one and wait. Return those that are still alive after *limit_s* seconds."""
    for process in processes:
        if is_alive(process):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + limit_s
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return alive


def memory_bytes(group: int) -> int:
    """Return the memory of a User-Mode Linux: the sum of its processes' shares of every page (proc(5), Pss).

    Helpers share the leader's memory and are not counted again. They have exactly its size.
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
    """Return the id of this boot of the machine. A pid recorded in another boot is meaningless."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
