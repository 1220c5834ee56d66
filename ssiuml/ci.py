"""What continuous integration does, here as there: parts that call doit, and at the end what came of each."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host.run import CommandError, run
from ssiuml.sources.mirrors import UNAVAILABLE

LIMIT_S: Final = 4 * 3600.0
DONE: Final = "done"
FAILED: Final = "FAILED"
LEFT_OUT: Final = "left out"


@dataclass(frozen=True, slots=True)
class Part:
    """Calls of doit, one after the other. Where *needs* finds no mirror that has a source, it is left out."""

    calls: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...] | None = None


PARTS: Final[Mapping[str, Part]] = {
    "lint": Part((("lint",),)),
    "test": Part((("test",),)),
    "release": Part((("recipe=bookworm", "release"),)),
    "rh72": Part((("recipe=rh72", "release"),), needs=("recipe=rh72", "fetch")),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a part; *reason* is empty where it is done."""

    part: str
    state: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.part:10} {self.state}{': ' if self.reason else ''}{self.reason}"


class CiError(SsiumlError):
    """A part failed."""


def run_parts(names: Sequence[str], project: Path, environ: Mapping[str, str]) -> None:
    """Run parts of PARTS in the checkout *project*, the later ones also when one fails; then tell all.

    On GitHub ($GITHUB_STEP_SUMMARY names a file) it is told in the job's summary too. UsageError for a part
    that there is none of, CiError if any has failed.
    """
    for name in names:
        if name not in PARTS:
            raise UsageError(f"--parts {name}: there is no such part", hint=f"parts: {' '.join(PARTS)}")
    outcomes = [_outcome(name, project) for name in names]
    print("\n".join(map(str, outcomes)), flush=True)
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.writelines(f"- {outcome}\n" for outcome in outcomes)
    failed = [outcome.part for outcome in outcomes if outcome.state == FAILED]
    if failed:
        raise CiError(f"failed: {', '.join(failed)}", hint="what each said stands above")


def _outcome(name: str, project: Path) -> Outcome:
    part = PARTS[name]
    for call in (*([part.needs] if part.needs else []), *part.calls):
        try:
            _doit(call, project)
        except CommandError as error:
            missing = [line.strip() for line in error.output.splitlines() if UNAVAILABLE in line]
            if call == part.needs and missing:
                return Outcome(name, LEFT_OUT, "; ".join(missing))
            return Outcome(name, FAILED, _line(call))
    return Outcome(name, DONE)


def _line(words: Sequence[str]) -> str:
    return f"./run {' '.join(words)}"


def _doit(words: Sequence[str], project: Path) -> None:
    """Run doit and pass on what it says, line by line."""
    print(f"== {_line(words)}", flush=True)
    run(
        [sys.executable, "-m", "doit", *words],
        timeout_s=LIMIT_S,
        cwd=project,
        env={"PYTHONUNBUFFERED": "1"},  # what doit and its programs say comes in order
        on_line=lambda line: print(line, flush=True),
    )
