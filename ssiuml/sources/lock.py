"""recipes/NAME.lock: exactly what went in, so that it can be had again and nothing else is taken for it.

It belongs into version control, beside the recipe. Section ``sources`` has the downloads: nobody published
checksums for these, so the first download is taken at its word, said aloud, and everything that differs later
is refused. Sections ``base`` and ``kernel`` have Debian's packages; see ssiuml.debian.lock.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from ssiuml.errors import SsiumlError
from ssiuml.host.files import write_text

SECTIONS: Final = ("sources", "base", "kernel")
_HEADER: Final = """\
# What the recipe was built from. A file that differs is refused. `./run recipe=NAME lock` takes the packages
# that the mirrors have now; to take a new file for one of the sources on purpose, remove its entry here.
"""
# libyaml's is ten times as fast, and a lock file is read at every call.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class LockError(SsiumlError):
    """A lock file is damaged."""


class FrozenError(SsiumlError):
    """Something is not as the lock file has it, and --frozen refuses to go on."""


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

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def chain(self) -> "tuple[LockFile, ...]":
        """This one, then those inherited."""
        return (self, *self.inherited)

    @property
    def own(self) -> "LockFile":
        """This one without those inherited."""
        return LockFile(self.path)

    @property
    def parent(self) -> "LockFile | None":
        """That of the recipe that is extended, with what that inherits."""
        return LockFile(self.inherited[0].path, self.inherited[1:]) if self.inherited else None

    def pin_of(self, name: str, urls: Sequence[str]) -> Pin | None:
        """The pin of a source: its own, or an inherited one if that came from one of these *urls*."""
        pin = self.pins().get(name)
        if pin is not None:
            return pin
        found = (lock.pins().get(name) for lock in self.inherited)
        return next((pin for pin in found if pin is not None and pin.url in urls), None)

    def pins(self) -> dict[str, Pin]:
        """Pins by the name of the source; LockError if the file is damaged."""
        values = self.section("sources")
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self.damaged("sources: is no mapping of sources")
        return {str(name): self._pin(str(name), value) for name, value in values.items()}

    def section(self, name: str) -> Any:
        """What one of SECTIONS has, None if there is none; LockError if the file is damaged."""
        return self._sections().get(name)

    def _sections(self) -> dict[str, Any]:
        try:
            values = yaml.load(self.path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise self.damaged(" ".join(str(error).split())) from error
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self.damaged("is no mapping of sections")
        if all(isinstance(each, dict) and isinstance(each.get("url"), str) for each in values.values()):
            return {"sources": values}  # as written by versions that locked nothing else
        unknown = [str(name) for name in values if name not in SECTIONS]
        if unknown:
            raise self.damaged(f"{unknown[0]}: is none of its sections, {', '.join(SECTIONS)}")
        return values

    def _pin(self, name: str, value: Any) -> Pin:
        keys = {"url", "size", "sha256", "date"}
        if not isinstance(value, Mapping) or set(value) != keys:
            raise self.damaged(f"sources.{name}: has not the keys {', '.join(sorted(keys))}")
        size, sha256 = value["size"], value["sha256"]
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self.damaged(f"sources.{name}: the size {size!r} is no number of bytes")
        if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise self.damaged(f"sources.{name}: {sha256!r} is no SHA-256")
        return Pin(str(value["url"]), size, sha256, str(value["date"]))

    def damaged(self, problem: str) -> LockError:
        """The error, for the caller to raise, that the file cannot be understood."""
        return LockError(
            f"{self.path}: {problem}", hint="mend it, or remove it to lock anew: ./run recipe=NAME lock"
        )

    def add(self, name: str, pin: Pin) -> None:
        """Write down what the source *name* is; all else stays. One build of a recipe runs at a time."""
        pins = sorted({**self.pins(), name: pin}.items())
        self.write(
            sources={
                each: {"url": one.url, "size": one.size_bytes, "sha256": one.sha256, "date": one.date}
                for each, one in pins
            }
        )

    def write(self, **changed: Any) -> None:
        """Write some of SECTIONS anew, None removes one; the others stay. Without any the file goes."""
        values = {**self._sections(), **changed}
        kept = {name: values[name] for name in SECTIONS if values.get(name) is not None}
        if not kept:
            self.path.unlink(missing_ok=True)
            return
        # Without limit and with the innermost mappings in one line: a line for each file.
        text = yaml.safe_dump(kept, sort_keys=False, width=1 << 16, default_flow_style=None)
        write_text(self.path, _HEADER + text)


def today() -> str:
    """The day for a pin."""
    return date.today().isoformat()
