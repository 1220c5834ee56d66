"""Steps of a build that know by themselves whether their result still stands.

doit keeps its state in a database that it saves when it ends; a build that is killed forgets what it
had finished. So each step leaves a stamp, a small JSON file written last: what went in (every setting,
the digests of the steps before it, of scripts and templates), what came out, and the size and time of
each output. A step is current when its inputs are those of the stamp and the outputs are as it left them.
Large files are never hashed again to find that out.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ssiuml import timings
from ssiuml.atomic import write_text
from ssiuml.changes import changes
from ssiuml.errors import SsiumlError
from ssiuml.tree import CHUNK_BYTES

# JSON objects: inputs and results of steps.
Values = Mapping[str, Any]


LACKING: Final = "what it depends on is not there"


class StepError(SsiumlError):
    """A step's result is asked for that is not there."""


def digest_of(values: object) -> str:
    """Hexadecimal SHA-256 of a JSON value, the same for the same value."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """Digest over names, modes and bytes of all files below *folder* (scripts and templates: small)."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return digest_of(
        [(str(path.relative_to(folder)), path.stat().st_mode & 0o111, file_sha256(path)) for path in files]
    )


def code_digest(*modules: ModuleType) -> str:
    """Digest of the source of the modules that do a step's work, so that a new version does it again.

    ValueError for a package, of which this would be __init__ alone; see package_digest.
    """
    packages = [module.__name__ for module in modules if hasattr(module, "__path__")]
    if packages:
        raise ValueError(f"{', '.join(packages)}: is a package, not a module")
    return digest_of([file_sha256(Path(module.__file__)) for module in modules if module.__file__])


def package_digest(*packages: ModuleType) -> str:
    """As code_digest, of all modules of each package."""
    return digest_of(
        [folder_digest(Path(package.__file__).parent) for package in packages if package.__file__]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what it depends on, how it is made, what it leaves.

    *after* are the steps whose results it is made from; their digests are among its inputs. *inputs* are
    all the rest, settings above all; it is called late, after the steps before have run. *make* does the
    work and returns results for the steps after it. *files* are what it leaves among the images; *cached*
    finds, by the results, files of the cache that the result stands on. All must stay as they were left.
    *objections* says, by the results, what else speaks against them now. *prepare* sees to what both *inputs*
    and *make* need of the host, before a step that is not current is made. *measured* names results that
    differ from run to run, like times; steps that come after do not depend on them.
    """

    name: str
    stamp: Path
    after: "tuple[Step, ...]" = ()
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
        inputs: dict[str, Any] = json.loads(json.dumps({**self.inputs(), **before}))
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
            told = changes(_told(stamp["inputs"]), _told(inputs)) or ["its inputs"]
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
    """Inputs under the names that people read."""
    return {re.sub("^step ", "result of ", key): value for key, value in inputs.items()}


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
