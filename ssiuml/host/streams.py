"""The standard streams of this process, also where they are closed, full, or no longer read."""

import io
import os
import sys
from typing import IO, Any, Final

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_closed() -> None:
    """Open /dev/null as each standard stream that this process was started without (``>&-``).

    A file that is opened later would otherwise become that stream, for this process and its children.
    """
    for fd, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor: fd
            os.set_inheritable(fd, True)
        if getattr(sys, name) is None:
            _set(name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


class LastingOutput(io.FileIO):
    """A descriptor that takes all output, also if nobody reads it any longer or if its disk is full.

    *error* is the first error. A broken pipe is none: its reader has seen enough.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:  # a buffer; Python 3.11 has no type for that
        try:
            return super().write(data)
        except BrokenPipeError:
            pass
        except OSError as error:
            self.error = self.error or error
        return len(data)


def make_lasting(*names: str) -> list[LastingOutput]:
    """Have the streams *names*, stdout or stderr, take all output. Work then goes on without its readers."""
    open_closed()
    made = []
    for name in names:
        old = getattr(sys, name)
        raw = LastingOutput(old.fileno(), "w", closefd=False)
        buffered = io.BufferedWriter(raw)
        lines = raw.isatty() or name == "stderr"
        # Names of files need not be UTF-8.
        _set(name, io.TextIOWrapper(buffered, old.encoding, "backslashreplace", line_buffering=lines))
        made.append(raw)
    return made


def _set(name: str, stream: IO[Any]) -> None:
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)
