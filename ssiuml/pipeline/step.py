"""Steps of a build that know by themselves whether their result still stands.

doit keeps its state in a database that it saves when it ends; a build that is killed forgets what it
had finished. So each step leaves a stamp, a small JSON file written last: what went in (every setting,
the digests of the steps before it, of scripts and templates), what came out, and the size and time of
each output. A step is current when its inputs are those of the stamp and the outputs are as it left them.
Large files are never hashed again to find that out.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.code import code_of
from ssiuml.host.digests import Values, digest_of, merged
from ssiuml.host.files import write_text
from ssiuml.pipeline import timings
from ssiuml.pipeline.changes import MOST_NAMED, changes

LACKING: Final = "what it depends on is not there"


class StepError(SsiumlError):
    """A step's result is asked for that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what it depends on, how it is made, what it leaves.

    *after* are the steps whose results it is made from; their digests are among its inputs. *modules* are
    those whose code makes it; with all that they import they are among its inputs, too. *inputs* are all the
    rest, settings above all; it is called late, after the steps before have run. *make* does the work and
    returns results for the steps after it. *files* are what it leaves among the images. *cached* finds, by
    the results, files of the cache that the result needs. All must stay as they were left. *objections*
    returns, by the results, further reasons why they are no longer valid. *prepare* sees to what *inputs* and
    *make* need of the host, before a step that is not current is made. *measured* names results that differ
    from run to run, like times; steps that come after do not depend on them.
    """

    name: str
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
        """What the step gave when it was last made; StepError if it was not."""
        return read_results(self.stamp, self.name)

    def digest(self) -> str:
        """Stands for the step's result among the inputs of a step after it."""
        return digest_of({key: value for key, value in self.results().items() if key not in self.measured})

    def _all_inputs(self) -> dict[str, Any]:
        """As JSON gives it back: tuples become lists, so that it compares with a stamp."""
        before = {f"step {step.name}": step.digest() for step in self.after}
        code = {"code": code_of(*self.modules)} if self.modules else {}
        inputs: dict[str, Any] = json.loads(json.dumps(merged(self.inputs(), code, before)))
        return inputs

    def reasons(self) -> list[str]:
        """Why the step has to be made again, a line each; empty if its result still stands."""
        stamp = _read(self.stamp)
        if stamp is None:
            return ["it has not been made yet"]
        try:
            inputs = self._all_inputs()
            lines = self.objections(stamp["results"]) if self.objections else []
        except (SsiumlError, OSError) as error:
            return [f"{LACKING}: {error}"]
        if stamp["inputs"] != inputs:
            before = stamp["inputs"]
            told = [*_changed_code(_code(before), _code(inputs)), *changes(_told(before), _told(inputs))]
            lines += [f"changed: {line}" for line in told]
        for name, left in stamp["outputs"].items():
            now = _state(Path(name))
            if now is None:
                lines.append(f"{name} is gone")
            elif now != left:
                lines.append(f"{name} was changed since")
        return lines

    def is_current(self) -> bool:
        return not self.reasons()

    def run(self) -> None:
        """Make the step unless its result still stands; the stamp goes last."""
        if self.is_current():
            return
        self.stamp.unlink(missing_ok=True)
        if self.prepare is not None:
            self.prepare()
        inputs = self._all_inputs()
        with timings.measured(self.stamp):
            results = self.make()
        outputs = [*self.files, *(self.cached(results) if self.cached else [])]
        absent = [str(path) for path in outputs if not path.is_file()]
        if absent:
            raise StepError(f"step '{self.name}' did not leave {', '.join(absent)}")
        stamp = {
            "step": self.name,
            "inputs": inputs,
            "results": results,
            "outputs": {str(path): _state(path) for path in outputs},
        }
        write_text(self.stamp, json.dumps(stamp, indent=2, sort_keys=True) + "\n")


def read_results(stamp: Path, name: str) -> Values:
    """What the step *name* gave, by its stamp; StepError if there is none."""
    values = _read(stamp)
    if values is None:
        raise StepError(f"{stamp}: step '{name}' has not been made yet")
    results: Values = values["results"]
    return results


def _told(inputs: Values) -> dict[str, Any]:
    """Inputs under the names that people read; of the code, which has a line of its own, nothing."""
    return {re.sub("^step ", "result of ", key): value for key, value in inputs.items() if key != "code"}


def _code(inputs: Values) -> Values:
    code = inputs.get("code", {})
    return code if isinstance(code, dict) else {}  # stamps of older versions have other values there


def _changed_code(before: Values, now: Values) -> Iterator[str]:
    """A line that names files of the code that differ, if there are any."""
    files = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if files:
        more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
        yield f"code: {', '.join(files[:MOST_NAMED])}{more}"


def _read(stamp: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(stamp.read_text(encoding="utf-8"))
        whole = all(isinstance(values[key], dict) for key in ("inputs", "results", "outputs"))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a damaged stamp is as good as none: the step is made again
    return values if whole else None


def _state(path: Path) -> list[int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]
