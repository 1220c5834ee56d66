"""A long run of make: count its steps for a bar, keep its output in a file, report the first error."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import write_text
from ssiuml.host.progress import counted
from ssiuml.host.run import CommandError

# Linux since 2.6 prints "  CC      fs/inode.o" for a step, before that the whole command.
_STEP: Final = re.compile(r"  [A-Z][A-Z0-9_]+ (\[M\]| ) +\S|\S*gcc\S* .* -c ")
_ERROR: Final = re.compile(
    r"^\S+?:\d+(:\d+)?: (?![Ww]arning|[Nn]ote)"  # gcc 2.96 has no word for an error
    r"|: (fatal )?error: |undefined reference|^ld: (?!warning|.*: in function)|^make.*\*\*\* No rule"
    r"|command not found$|: not found$"
)
# Lines that compilers and linkers print before an error: its place, and how that file was included.
_BEFORE: Final = re.compile(r"^In file included|^\s+from |: [Ii]n function ")
# Lines behind an error: the line of the source with a mark below, and notes.
_BEHIND: Final = re.compile(r"^\s+[\d|]|^\s+\S*[\^~]|: note: ")
_MAX_LINES: Final = 20


@contextmanager
def compiling(title: str, log: Path, known: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that takes each line of make.

    All lines go into the file *log*. The file *known* has the number of steps of the last whole build, and
    gets that of this one unless the block raises; it is None if this is no whole build. A CommandError of the
    block becomes a SsiumlError with the first error of make and the path of *log*.
    """
    lines: list[str] = []
    steps = 0
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8", errors="replace") as stream, counted(title, _known(known)) as count:

        def take(line: str) -> None:
            nonlocal steps
            lines.append(line)
            print(line, file=stream)
            if _STEP.match(line):
                steps += 1
                count(1)

        try:
            yield take
        except CommandError as error:
            stream.flush()
            found = first_error(lines)
            if not found:
                raise
            text = "".join(f"\n  {line}" for line in found)
            why = error.message.rpartition(": ")[2]
            raise SsiumlError(f"{title}: {why}:{text}", hint=f"see {log} for all output of make") from error
    if known is not None:
        write_text(known, json.dumps({"steps": steps}) + "\n")


def _known(path: Path | None) -> int | None:
    if path is not None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(path.read_text(encoding="utf-8"))["steps"])
    return None


def first_error(lines: list[str]) -> list[str]:
    """Return the first error of a compiler, linker or make in *lines*, with the lines that belong to it."""
    at = next((number for number, line in enumerate(lines) if _ERROR.search(line)), None)
    if at is None:
        return []
    begin = end = at
    while begin > 0 and _BEFORE.search(lines[begin - 1]):
        begin -= 1
    while end + 1 < len(lines) and _BEHIND.search(lines[end + 1]):
        end += 1
    return lines[begin : min(end + 1, begin + _MAX_LINES)]
