"""A long run of make: its steps counted for a bar, all it says in a file, and what is wrong when it fails."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ssiuml.host.files import write_text
from ssiuml.host.progress import counted
from ssiuml.host.run import CommandError
from ssiuml.kernel import KernelError

# Of Linux since 2.6: "  CC      fs/inode.o". Before that make prints the whole command.
_STEP: Final = re.compile(r"  [A-Z][A-Z0-9_]+ (\[M\]| ) +\S|\S*gcc\S* .* -c ")
_ERROR: Final = re.compile(
    r"^\S+?:\d+(:\d+)?: (?![Ww]arning|[Nn]ote)"  # gcc 2.96 has no word for an error
    r"|: (fatal )?error: |undefined reference|^ld: (?!warning|.*: in function)|^make.*\*\*\* No rule"
    r"|command not found$|: not found$"
)
# What compilers and linkers say before an error: where it is, and how it was included.
_BEFORE: Final = re.compile(r"^In file included|^\s+from |: [Ii]n function ")
# And behind it: the line of the source with a mark below, and notes.
_BEHIND: Final = re.compile(r"^\s+[\d|]|^\s+\S*[\^~]|: note: ")
_MAX_LINES: Final = 20


@contextmanager
def compiling(title: str, log: Path, known: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield what takes each line of make; *known* has the number of steps of the last whole build.

    It is written anew when the block ends well; None where this is no whole build. All lines go into
    the file *log*. A CommandError of the block becomes a KernelError with the first error and *log*.
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
            raise KernelError(f"{title}: {why}:{text}", hint=f"all that make said: {log}") from error
    if known is not None:
        write_text(known, json.dumps({"steps": steps}) + "\n")


def _known(path: Path | None) -> int | None:
    if path is not None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(path.read_text(encoding="utf-8"))["steps"])
    return None


def first_error(lines: list[str]) -> list[str]:
    """The first error that a compiler, linker or make tells in *lines*, with the lines that belong to it."""
    at = next((number for number, line in enumerate(lines) if _ERROR.search(line)), None)
    if at is None:
        return []
    begin = end = at
    while begin > 0 and _BEFORE.search(lines[begin - 1]):
        begin -= 1
    while end + 1 < len(lines) and _BEHIND.search(lines[end + 1]):
        end += 1
    return lines[begin : min(end + 1, begin + _MAX_LINES)]
