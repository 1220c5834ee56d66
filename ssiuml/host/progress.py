"""Progress of work longer than two seconds: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

# tqdm is imported only if there is a terminal: that takes longer than many commands.

_BYTES: Final[dict[str, Any]] = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
_STEPS_A_LINE: Final = 250  # in a log
_SHORT_S: Final = 2.0  # shorter transfers show nothing
_LINE_S: Final = 10.0  # between lines in a log


def _stream() -> TextIO:
    # doit replaces sys.stderr to capture output. Progress always goes to the user.
    return sys.__stderr__ or sys.stderr


def say(text: str) -> None:
    """Print one line for the user. A bar on the screen stays whole."""
    stream = _stream()
    if not stream.isatty():
        print(text, file=stream, flush=True)
        return
    from tqdm import tqdm

    tqdm.write(text, file=stream)


@contextmanager
def stages(title: str) -> Iterator[Callable[[str], None]]:
    """Show work of unknown length. Call the yielded function with the name of each stage.

    On a terminal, one line is rewritten, with the time so far; a log gets a line for each stage.
    """
    stream = _stream()
    if not stream.isatty():

        def line(text: str) -> None:
            print(f"{title}: {text}", file=stream, flush=True)

        yield line
        return
    from tqdm import tqdm

    with tqdm(desc=title, file=stream, bar_format="{desc}: {postfix} [{elapsed}]", leave=False) as bar:

        def rewrite(text: str) -> None:
            bar.set_postfix_str(text)

        yield rewrite


@contextmanager
def _bar(title: str, total: int | None, **options: Any) -> Iterator[Callable[[int], None]]:
    from tqdm import tqdm

    with tqdm(desc=title, total=total, file=_stream(), leave=False, **options) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


@contextmanager
def measured(title: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show work on *total_bytes* bytes. Call the yielded function with the number of bytes just done."""
    stream = _stream()
    if not stream.isatty():
        print(f"{title}: {total_bytes / (1 << 20):.0f} MiB", file=stream, flush=True)
        yield lambda count: None
        return
    with _bar(title, total_bytes, **_BYTES) as advance:
        yield advance


@contextmanager
def transferred(title: str, total_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """Show a transfer that takes longer than two seconds; *total_bytes* is None if it is not known.

    Call the yielded function with the number of bytes just done. A log gets a line every ten seconds.
    """
    stream = _stream()
    if not stream.isatty():
        done, next_s = 0, time.monotonic() + _SHORT_S
        total = "" if total_bytes is None else f" of {total_bytes / (1 << 20):.0f}"

        def tell(count: int) -> None:
            nonlocal done, next_s
            done += count
            if time.monotonic() > next_s:
                print(f"{title}: {done / (1 << 20):.0f}{total} MiB", file=stream, flush=True)
                next_s = time.monotonic() + _LINE_S

        yield tell
        return
    with _bar(title, total_bytes, delay=_SHORT_S, **_BYTES) as advance:
        yield advance


@contextmanager
def counted(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show work in *total* steps, if that is known. Call the yielded function with the number just done.

    A log gets a line for every 250 steps.
    """
    stream = _stream()
    if not stream.isatty():
        done = 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            if done % _STEPS_A_LINE < count:
                print(f"{title}: {done} steps{f' of {total}' if total else ''}", file=stream, flush=True)

        yield tell
        return
    with _bar(title, total, unit="step") as advance:
        yield advance
