"""recipes/NAME.lock: which files exactly went into a build, so that later builds take the same ones.

It belongs into version control, beside the recipe. Section ``sources`` has the downloads: nobody published
checksums for these, so the first download is trusted and pinned, a message says so, and every other file is
refused from then on. Sections ``base`` and ``kernel`` have Debian's packages: ssiuml.debian.locked_packages.
"""

import functools
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


@dataclass(frozen=True, slots=True)
class Pin:
    """One source when it was first fetched: its URL, its size, its SHA-256, the day (ISO 8601)."""

    url: str
    size_bytes: int
    sha256: str
    date: str


@dataclass(frozen=True, slots=True)
class LockFile:
    """The lock file at *path*, which need not exist. *inherited* are those of the recipes that it extends."""

    path: Path
    inherited: "tuple[LockFile, ...]" = ()

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def chain(self) -> "tuple[LockFile, ...]":
        """This lock file, then the inherited ones."""
        return (self, *self.inherited)

    @property
    def own(self) -> "LockFile":
        """This lock file without the inherited ones."""
        return LockFile(self.path)

    @property
    def parent(self) -> "LockFile | None":
        """The lock file of the recipe that is extended, with those that it inherits."""
        return LockFile(self.inherited[0].path, self.inherited[1:]) if self.inherited else None

    def pin_of(self, name: str, urls: Sequence[str]) -> Pin | None:
        """Return the pin of a source: its own, or an inherited one whose URL is among *urls*."""
        pin = self.pins().get(name)
        if pin is not None:
            return pin
        found = (lock.pins().get(name) for lock in self.inherited)
        return next((pin for pin in found if pin is not None and pin.url in urls), None)

    def pins(self) -> dict[str, Pin]:
        """Return the pins by the name of the source. Raise SsiumlError if the file is damaged."""
        values = self.section("sources")
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self.damaged("sources: is not a mapping of sources")
        return {str(name): self._pin(str(name), value) for name, value in values.items()}

    def section(self, name: str) -> Any:
        """Return the data of one of SECTIONS, or None. Raise SsiumlError if the file is damaged."""
        return self._sections().get(name)

    def _sections(self) -> dict[str, Any]:
        try:
            values = _parsed(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise self.damaged(" ".join(str(error).split())) from error
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self.damaged("is not a mapping of sections")
        if all(isinstance(each, dict) and isinstance(each.get("url"), str) for each in values.values()):
            return {"sources": values}  # written by a version that locked nothing else
        unknown = [str(name) for name in values if name not in SECTIONS]
        if unknown:
            raise self.damaged(f"{unknown[0]}: is not one of the sections {', '.join(SECTIONS)}")
        return values

    def _pin(self, name: str, value: Any) -> Pin:
        keys = {"url", "size", "sha256", "date"}
        if not isinstance(value, Mapping) or set(value) != keys:
            raise self.damaged(f"sources.{name}: must have the keys {', '.join(sorted(keys))}")
        size, sha256 = value["size"], value["sha256"]
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self.damaged(f"sources.{name}: the size {size!r} is not a number of bytes")
        if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise self.damaged(f"sources.{name}: {sha256!r} is not a SHA-256")
        return Pin(str(value["url"]), size, sha256, str(value["date"]))

    def damaged(self, problem: str) -> SsiumlError:
        """Return, for the caller to raise, the error that the file cannot be understood."""
        hint = "repair it, or remove it and run `./run recipe=NAME lock`"
        return SsiumlError(f"{self.path}: {problem}", hint=hint)

    def add(self, name: str, pin: Pin) -> None:
        """Pin the source *name*; all other pins stay. Only one build of a recipe runs at a time."""
        pins = sorted({**self.pins(), name: pin}.items())
        self.write(
            sources={
                each: {"url": one.url, "size": one.size_bytes, "sha256": one.sha256, "date": one.date}
                for each, one in pins
            }
        )

    def write(self, **changed: Any) -> None:
        """Replace some of SECTIONS; None removes one. The others stay. A file without sections is removed."""
        values = {**self._sections(), **changed}
        kept = {name: values[name] for name in SECTIONS if values.get(name) is not None}
        if not kept:
            self.path.unlink(missing_ok=True)
            return
        # Innermost mappings in one line, of any width: a line for each file.
        text = yaml.safe_dump(kept, sort_keys=False, width=1 << 16, default_flow_style=None)
        write_text(self.path, _HEADER + text)


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """Return the data in *text*, for all callers, who must not change them. One call asks several times."""
    return yaml.load(text, _Loader)  # noqa: S506 - a safe loader


def today() -> str:
    """Return the day for a pin."""
    return date.today().isoformat()
