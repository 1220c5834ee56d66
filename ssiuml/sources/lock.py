"""recipes/NAME.lock: what each source was when it was first used.

Nobody published checksums for these files, so the first download is taken at its word, said aloud, and
everything that differs later is refused. The file belongs into version control, beside the recipe.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from ssiuml.atomic import write_text
from ssiuml.errors import SsiumlError

_HEADER: Final = """\
# What the sources of this recipe were when they were first used. A file that differs is refused; to take
# a new one on purpose, remove its entry here.
"""


class LockError(SsiumlError):
    """A lock file is damaged."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What one source was: where it came from, its size in bytes, its SHA-256, the day."""

    url: str
    size_bytes: int
    sha256: str
    date: str


@dataclass(frozen=True, slots=True)
class LockFile:
    """The lock file at *path*, there or not; *inherited* are those of the recipes that are extended."""

    path: Path
    inherited: "tuple[LockFile, ...]" = ()

    def pin_of(self, name: str, urls: Sequence[str]) -> Pin | None:
        """The pin of a source: its own, or an inherited one if that came from one of these *urls*."""
        pin = self.pins().get(name)
        if pin is not None:
            return pin
        found = (lock.pins().get(name) for lock in self.inherited)
        return next((pin for pin in found if pin is not None and pin.url in urls), None)

    def pins(self) -> dict[str, Pin]:
        """Pins by the name of the source; LockError if the file is damaged."""
        try:
            values = yaml.safe_load(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise self._damaged(" ".join(str(error).split())) from error
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self._damaged("is no mapping of sources")
        return {str(name): self._pin(str(name), value) for name, value in values.items()}

    def _pin(self, name: str, value: Any) -> Pin:
        keys = {"url", "size", "sha256", "date"}
        if not isinstance(value, Mapping) or set(value) != keys:
            raise self._damaged(f"{name}: has not the keys {', '.join(sorted(keys))}")
        size, sha256 = value["size"], value["sha256"]
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self._damaged(f"{name}: the size {size!r} is no number of bytes")
        if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise self._damaged(f"{name}: {sha256!r} is no SHA-256")
        return Pin(str(value["url"]), size, sha256, str(value["date"]))

    def _damaged(self, problem: str) -> LockError:
        return LockError(f"{self.path}: {problem}", hint="mend it, or remove it to pin all sources anew")

    def add(self, name: str, pin: Pin) -> None:
        """Write down what the source *name* is; other entries stay. One build of a recipe runs at a time."""
        values = {
            each: {"url": one.url, "size": one.size_bytes, "sha256": one.sha256, "date": one.date}
            for each, one in sorted({**self.pins(), name: pin}.items())
        }
        write_text(self.path, _HEADER + yaml.safe_dump(values, sort_keys=False, width=1000))


def today() -> str:
    """The day for a pin."""
    return date.today().isoformat()
