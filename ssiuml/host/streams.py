"""The standard streams of this process, also where they are closed, full, or no longer read."""

import io
import os
import sys
from typing import IO, Any, Final, TypeVar

STDOUT: Final = "standard output"
Output = TypeVar("Output", bound=io.FileIO)
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


class NamedOutput(io.FileIO):
    """Standard output. Its errors have STDOUT as the name of the file."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = STDOUT
            raise


def make_lasting(*names: str) -> list[LastingOutput]:
    """Have the streams *names*, stdout or stderr, take all output. Work then goes on without its readers."""
    open_closed()
    return [_replace(name, LastingOutput) for name in names if _is_own(name)]


def name_stdout() -> None:
    """Have errors of standard output name it."""
    open_closed()
    if _is_own("stdout"):
        _replace("stdout", NamedOutput)


def _is_own(name: str) -> bool:
    """Return whether nobody has put another stream in the place of this process's own."""
    return getattr(sys, name) is getattr(sys, f"__{name}__")


def _replace(name: str, kind: type[Output]) -> Output:
    old = getattr(sys, name)
    raw = kind(old.fileno(), "w", closefd=False)
    lines = raw.isatty() or name == "stderr"
    # Names of files need not be UTF-8.
    _set(
        name, io.TextIOWrapper(io.BufferedWriter(raw), old.encoding, "backslashreplace", line_buffering=lines)
    )
    return raw


def _set(name: str, stream: IO[Any]) -> None:
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)
