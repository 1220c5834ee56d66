"""Processes of the host: find them, wait for them."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait until *condition* holds. The test fails with *what* if that takes longer than *limit_s*."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is no zombie (proc_pid_stat(5), the field behind the name)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def ended_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def processes_of(text: str) -> list[str]:
    """Return the command lines of the processes that have *text* in theirs or in the name of their folder.

    Zombies and this process are left out.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                folder = str((entry / "cwd").readlink())
            except OSError:
                continue
            if text in words or text in folder:
                found.append(words)
    return found
