"""One build at a time for each recipe, and an orderly end when it is told to stop."""

import atexit
import os
import signal
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from ssiuml.errors import SsiumlError

_held: dict[Path, FileLock] = {}


class BusyError(SsiumlError):
    """Another process builds the same recipe."""


class Interrupted(SystemExit):
    """The build was told to stop. No Exception: it passes through doit, which saves its state."""


def begin(out: Path) -> None:
    """Take the build lock of images/RECIPE for this process and turn signals into an orderly stop.

    Called before every action; does its work once. Raises BusyError, naming the other process's id.
    """
    if out in _held:
        return
    out.mkdir(parents=True, exist_ok=True)
    holder = out / ".lock.pid"
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        try:
            who = f" (process {int(holder.read_text())})"
        except (OSError, ValueError):
            who = ""
        raise BusyError(
            f"{out}: another build of this recipe is running{who}",
            hint="wait until it is done, or stop it with Ctrl-C or SIGTERM",
        ) from None
    _held[out] = lock
    holder.write_text(f"{os.getpid()}\n")
    atexit.register(_end, out, holder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _end(out: Path, holder: Path) -> None:
    holder.unlink(missing_ok=True)
    _held.pop(out).release()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(128 + number)
