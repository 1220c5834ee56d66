"""A step of a build. It finds out by itself whether its result is still valid.

doit would save which steps it had finished only when it ends, and a killed build would forget them. Therefore
each step writes a stamp, a small JSON file, when it has finished. The stamp has the step's inputs
(every setting; the digests of the steps before it, of code, scripts and templates), its results, and the size
and time of each output. A step is current when its inputs equal those in the stamp and its outputs are
unchanged. Large files are never hashed again for that. A second file beside the stamp says how long the step
took.
"""

import functools
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.code import code_of
from ssiuml.host.digests import Values, digest_of, merged
from ssiuml.host.files import write_text
from ssiuml.pipeline.changes import MOST_NAMED, changes

LACKING: Final = "what it depends on does not exist"
OTHERWISE: Final = "changed: its inputs"  # stamps of older versions may differ where no line tells


class StepError(SsiumlError):
    """A result is needed of a step that has not been made, or a step has not done what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what it depends on, how it is made, what it leaves.

    ``task`` is the name of its task in doit. ``after`` has the steps whose results it is made from; their
    digests are among its inputs. ``modules`` names the modules whose code makes it; the digests of these
    modules and of all that they import are among its inputs, too. ``inputs`` returns the other inputs, mostly
    settings. It is called only when the steps before have been made. ``make`` does the work and returns the
    results.

    ``files`` has the files that the step leaves among the images. ``cached(results)`` returns files of the
    cache that the results refer to. All these files must stay unchanged. ``objections(results)`` returns
    further reasons why stored results are no longer valid. ``prepare`` installs, before a step is made,
    what ``inputs`` and ``make`` need of the host. ``measured`` names results that differ from run to run,
    such as times; the steps after it do not depend on them.
    """

    name: str
    task: str = ""
    stamp: Path
    after: "tuple[Step, ...]" = ()
    modules: tuple[str, ...] = ()
    inputs: Callable[[], Values]
    make: Callable[[], Values]
    files: tuple[Path, ...] = ()
    cached: Callable[[Values], Sequence[Path]] | None = None
    objections: Callable[[Values], list[str]] | None = None
    prepare: Callable[[], None] | None = None
    measured: tuple[str, ...] = ()

    def results(self) -> Values:
        """Return the results of the step when it was last made. Raise StepError if it was not."""
        return read_results(self.stamp, self.name)

    def digest(self) -> str:
        """Return a digest of the results. It is an input of the steps after this one."""
        return digest_of({key: value for key, value in self.results().items() if key not in self.measured})

    def duration(self) -> "Duration | None":
        """Return how long the step took when it was last made; None if it was not."""
        return _read_duration(self.duration_file)

    @property
    def duration_file(self) -> Path:
        return self.stamp.with_name(f"{self.stamp.stem}.timing")

    @property
    def _folder(self) -> Path:
        """The folder that the names of outputs in the stamp are relative to: images/RECIPE, or the cache."""
        return self.stamp.parent.parent

    def _name(self, path: Path) -> str:
        # A checkout that was moved or copied has its own outputs, not those of the place it came from.
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)

    def _all_inputs(self) -> dict[str, Any]:
        """Return the inputs as they would be read back from a stamp: JSON turns tuples into lists."""
        before = {f"step {step.name}": step.digest() for step in self.after}
        code = {"code": code_of(*self.modules)} if self.modules else {}
        inputs: dict[str, Any] = json.loads(json.dumps(merged(self.inputs(), code, before)))
        return inputs

    def reasons(self) -> list[str]:
        """Return why the step must be made again, a line for each reason; [] if its result is valid."""
        stamp = _read(self.stamp)
        if stamp is None:
            return ["it has not been made yet"]
        try:
            inputs = self._all_inputs()
            lines = self.objections(stamp["results"]) if self.objections else []
        except (SsiumlError, OSError) as error:
            return [f"{LACKING}: {error}"]
        if stamp["inputs"] != inputs:
            lines += [f"changed: {line}" for line in _changed_inputs(stamp["inputs"], inputs)] or [OTHERWISE]
        for name, left in stamp["outputs"].items():
            path = self._folder / name
            now = _state(path)
            if now is None:
                lines.append(f"{path} is gone")
            elif now != left:
                lines.append(f"{path} was changed since")
        return lines

    def is_current(self) -> bool:
        return not self.reasons()

    def run(self) -> None:
        """Make the step unless its result is still valid. Write the stamp last."""
        if self.is_current():
            return
        self.stamp.unlink(missing_ok=True)
        if self.prepare is not None:
            self.prepare()
        inputs = self._all_inputs()
        with _measured(self.duration_file):
            results = self.make()
        outputs = [*self.files, *(self.cached(results) if self.cached else [])]
        absent = [str(path) for path in outputs if not path.is_file()]
        if absent:
            raise StepError(f"step '{self.name}' did not leave {', '.join(absent)}")
        stamp = {
            "step": self.name,
            "inputs": inputs,
            "results": results,
            "outputs": {self._name(path): _state(path) for path in outputs},
        }
        write_text(self.stamp, json.dumps(stamp, indent=2, sort_keys=True) + "\n")


def read_results(stamp: Path, name: str) -> Values:
    """Return the results of the step *name* from its stamp. Raise StepError if there is no stamp."""
    values = _read(stamp)
    if values is None:
        raise StepError(f"{stamp}: step '{name}' has not been made yet")
    results: Values = values["results"]
    return results


def _changed_inputs(before: Values, now: Values) -> list[str]:
    """Return a line for each input that differs. All files of the code share one line."""
    shown = [
        {re.sub("^step ", "result of ", key): value for key, value in inputs.items() if key != "code"}
        for inputs in (before, now)
    ]
    return [*_changed_code(_code(before), _code(now)), *changes(*shown)]


def _changed_code(before: Values, now: Values) -> Iterator[str]:
    files = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if files:
        more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
        yield f"code: {', '.join(files[:MOST_NAMED])}{more}"


def _code(inputs: Values) -> Values:
    code = inputs.get("code", {})
    return code if isinstance(code, dict) else {}  # stamps of older versions have other values there


def _read(stamp: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(stamp.read_text(encoding="utf-8"))
        whole = all(isinstance(values[key], dict) for key in ("inputs", "results", "outputs"))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # after a damaged stamp the step is made again, as without one
    return values if whole else None


def _state(path: Path) -> list[int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How many *seconds* a step took, when it *started*, and when its *build* did, in seconds since 1970."""

    started: float
    seconds: float
    build: float


@contextmanager
def _measured(target: Path) -> Iterator[None]:
    """Write to *target* how long the block takes. Write nothing if the block fails."""
    build = _build_start()
    started, clock = time.time(), time.monotonic()
    yield
    duration = Duration(
        started=round(started, 3), seconds=round(time.monotonic() - clock, 3), build=round(build, 3)
    )
    write_text(target, json.dumps(asdict(duration)) + "\n")


def _read_duration(path: Path) -> Duration | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Duration(**{key: float(values[key]) for key in ("started", "seconds", "build")})
    except (OSError, ValueError, KeyError, TypeError):
        return None


@functools.cache
def _build_start() -> float:
    """Return the time when the first step of this process began."""
    return time.time()
