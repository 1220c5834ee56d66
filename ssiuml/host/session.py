"""A build's session: one build at a time for each recipe, and an orderly end after a signal."""

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
from ssiuml.host.files import remove_left_parts
from ssiuml.host.progress import say
from ssiuml.host.run import end_all

FINISH_LIMIT_S: Final = 120.0
SEND_AGAIN_EVERY_S: Final = 0.5
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_held: dict[Path, FileLock] = {}
_beginning = threading.Lock()
_finishing = threading.Condition()
_unfinished = 0
_is_stopping = threading.Event()


def begin(out: Path) -> None:
    """Take the build lock of images/RECIPE for this process, until it ends.

    Every action calls this; only the first call has an effect. Raise SsiumlError, with the process id of the
    other build, if the recipe is being built.
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
        raise SsiumlError(
            f"{out}: another build of this recipe is running{who}",
            hint="wait until it is done, or stop it with Ctrl-C or SIGTERM",
        ) from None
    _held[out] = lock
    holder.write_text(f"{os.getpid()}\n")
    # A killed build may have left files there; see ssiuml.host.places.Places.work.
    shutil.rmtree(out / "work", ignore_errors=True)
    # Files in `out` itself are replaced by every build that makes them; a user may write others there.
    for folder in out.iterdir():
        if folder.is_dir() and not folder.is_symlink():
            remove_left_parts(folder)
    atexit.register(_end, out, holder)


@contextmanager
def finish_before_exit() -> Iterator[None]:
    """Delay the end of this process, also after a signal, until the block has ended; for FINISH_LIMIT_S."""
    global _unfinished  # noqa: PLW0603 - one count for the process
    with _finishing:
        _unfinished += 1
    try:
        yield
    finally:
        with _finishing:
            _unfinished -= 1
            _finishing.notify_all()


def _end(out: Path, holder: Path) -> None:
    # Steps run in threads. These would end with the process, and leave loop devices attached.
    with _finishing:
        _finishing.wait_for(lambda: not _unfinished, FINISH_LIMIT_S)
    holder.unlink(missing_ok=True)
    _held.pop(out).release()


def stop_on_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into an orderly stop. The main thread calls this once."""
    for number in _STOPS:
        signal.signal(number, _interrupt)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    threading.Thread(target=_send_again, args=(read_end, threading.get_ident()), daemon=True).start()


def _send_again(read_end: int, main: int) -> None:
    """Send a signal again until it is handled.

    Python handles signals in its main thread, between two instructions. A signal that comes after the last
    instruction before this thread sleeps (doit's waits for a step's result) would be handled only after the
    step.
    """
    while number := os.read(read_end, 1):  # signal.set_wakeup_fd: a byte for each signal
        while number[0] in _STOPS and not _is_stopping.wait(SEND_AGAIN_EVERY_S):
            signal.pthread_kill(main, number[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    _is_stopping.set()
    # Ignore further signals while programs are ended and doit saves its state.
    for other in _STOPS:
        signal.signal(other, signal.SIG_IGN)
    say("stopping; run the same command to continue")
    end_all()
    raise SystemExit(128 + number)  # no Exception: it passes through doit, which saves its state
