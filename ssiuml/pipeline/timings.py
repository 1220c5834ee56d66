"""How long each step took when it was last made: a small file beside its stamp, and no input of anything."""

import functools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ssiuml.host.files import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """*started* and *build*, when the process began that made the step, are seconds since 1970."""

    started: float
    seconds: float
    build: float


@contextmanager
def measured(stamp: Path) -> Iterator[None]:
    """Remember how long the block takes, for the step with this *stamp*; nothing if it fails."""
    build = _build()
    started, clock = time.time(), time.monotonic()
    yield
    timing = Timing(
        started=round(started, 3), seconds=round(time.monotonic() - clock, 3), build=round(build, 3)
    )
    write_text(timing_file(stamp), json.dumps(asdict(timing)) + "\n")


def timing_file(stamp: Path) -> Path:
    """Where the time of the step with this *stamp* is kept."""
    return stamp.with_name(f"{stamp.stem}.timing")


def read_timing(stamp: Path) -> Timing | None:
    """None if the step was never made, or its file is damaged."""
    try:
        values = json.loads(timing_file(stamp).read_text(encoding="utf-8"))
        return Timing(**{key: float(values[key]) for key in ("started", "seconds", "build")})
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.cache
def _build() -> float:
    """The same for all steps that one process makes."""
    return time.time()
