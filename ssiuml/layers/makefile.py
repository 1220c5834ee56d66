"""Which rules a Makefile has, as GNU make itself reads it."""

import fnmatch
import re
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.run import run

# Reading Makefiles takes milliseconds, unless one of them starts programs while it is read.
_TIMEOUT_S: Final = 60.0
_NO_TARGET: Final = ":"  # no file of that name can be a target, so nothing is made
_RULE: Final = re.compile(r"([^\s#:=.][^\s:=]*) ?::?(?!=)")


class MakefileError(SsiumlError):
    """A folder has no Makefile, or the Makefile cannot be read or lacks a rule."""


def rules(folder: Path) -> list[str]:
    """The targets, patterns too, of the Makefile in *folder* and of those it includes, sorted.

    Source: "make --print-data-base"; nothing is made. MakefileError if there is no Makefile, or make cannot
    read it.
    """
    options = ["--print-data-base", "--no-builtin-rules", "--no-builtin-variables", "--question"]
    words = ["make", "--no-print-directory", *options, f"--directory={folder}", _NO_TARGET]
    if not any((folder / name).is_file() for name in ("GNUmakefile", "makefile", "Makefile")):
        raise MakefileError(f"{folder}: there is no Makefile in it")
    lines = run(words, timeout_s=_TIMEOUT_S, env={"LC_ALL": "C"}, ok_exit=(0, 1, 2)).splitlines()
    stops = [line for line in lines if "***" in line]
    if any(f"'{_NO_TARGET}'" not in line for line in stops):
        raise MakefileError(f"{folder}: its Makefile cannot be read: {stops[0]}")
    found = set()
    for before, line in zip(["", *lines], lines, strict=False):
        match = _RULE.match(line)
        if match is not None and before == "" and line not in stops:
            found.add(match[1])
    return sorted(found)


def require_rule(folder: Path, rule: str) -> None:
    """MakefileError, with the rules that are there, if the Makefile in *folder* has none for *rule*."""
    there = rules(folder)
    if not any(fnmatch.fnmatchcase(rule, name.replace("%", "*")) for name in there):
        raise MakefileError(
            f"{folder}: its Makefile has no rule '{rule}'", hint=f"it has: {' '.join(there) or 'none'}"
        )
