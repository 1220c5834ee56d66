"""One build at a time for each recipe, and an orderly end when it is told to stop."""

import atexit
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from filelock import FileLock, Timeout

from ssiuml.errors import SsiumlError
from ssiuml.host.progress import say
from ssiuml.host.run import end_all

FINISH_LIMIT_S: Final = 120.0
NUDGE_EVERY_S: Final = 0.5
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_held: dict[Path, FileLock] = {}
_beginning = threading.Lock()
_finishing = threading.Condition()
_unfinished = 0
_told = threading.Event()


class BusyError(SsiumlError):
    """Another process builds the same recipe."""


class Interrupted(SystemExit):
    """The build was told to stop. No Exception: it passes through doit, which saves its state."""


def begin(out: Path) -> None:
    """Take the build lock of images/RECIPE for this process, until it ends.

    Called before every action; does its work once. Raises BusyError, naming the other process's id.
    """
    with _beginning:
        if out not in _held:
            _take_lock(out)


def _take_lock(out: Path) -> None:
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
    # What a build that was killed has left there; see ssiuml.host.places.Places.work.
    shutil.rmtree(out / "work", ignore_errors=True)
    atexit.register(_end, out, holder)


@contextmanager
def unhurried() -> Iterator[None]:
    """What is done in here is finished before the process ends, also after a signal, but for a limit."""
    global _unfinished
    with _finishing:
        _unfinished += 1
    try:
        yield
    finally:
        with _finishing:
            _unfinished -= 1
            _finishing.notify_all()


def _end(out: Path, holder: Path) -> None:
    # Steps run in threads that would end with the process, loop devices still attached.
    with _finishing:
        _finishing.wait_for(lambda: not _unfinished, FINISH_LIMIT_S)
    holder.unlink(missing_ok=True)
    _held.pop(out).release()


def stop_on_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into an orderly stop; called once, by the main thread."""
    for number in _STOPS:
        signal.signal(number, _interrupt)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    threading.Thread(target=_nudge, args=(read_end, threading.get_ident()), daemon=True).start()


def _nudge(read_end: int, main: int) -> None:
    """Send a signal again until it is handled.

    Python handles signals in its main thread, between two instructions. One that comes after the last of
    them and before the thread sleeps (doit's does, for a step's result) would wait for the step's end.
    """
    while number := os.read(read_end, 1):  # signal.set_wakeup_fd: a byte for each signal, whoever sleeps
        while number[0] in _STOPS and not _told.wait(NUDGE_EVERY_S):
            signal.pthread_kill(main, number[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    _told.set()
    # Once is enough: what follows is cleaning up.
    for other in _STOPS:
        signal.signal(other, signal.SIG_IGN)
    say("stopping; the same command goes on from here")
    end_all()
    raise Interrupted(128 + number)
