"""The cache: results that take long, found by what they were made from, shared by recipes and builds.

An entry is a file, and a JSON file beside it with its SHA-256 and facts. The JSON file is written last: an
entry without it does not count. A lock for each entry keeps two builds from making it twice.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ssiuml.errors import SsiumlError
from ssiuml.host.code import code_digest
from ssiuml.host.digests import Values, digest_of, file_sha256, merged
from ssiuml.host.files import is_left, remove_part, write_text
from ssiuml.host.progress import say

# How long to wait for another build: a base takes minutes on a slow line, a kernel hours on a slow machine.
LOCK_TIMEOUT_S = 5 * 3600.0
# Two checkouts of different versions may take turns with one cache.
SUPERSEDED_KEPT_S: Final = 7 * 24 * 3600.0


class CacheError(SsiumlError):
    """An entry is damaged, or another process has locked it for too long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the cache, with its digest and facts."""

    path: Path
    sha256: str
    facts: Values

    def verify(self) -> None:
        """Check the file's digest. If it differs, remove the entry and raise CacheError."""
        if not self.path.is_file() or file_sha256(self.path) != self.sha256:
            _facts_of(self.path).unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            raise CacheError(
                f"{self.path}: this cache entry was damaged (its SHA-256 is no longer {self.sha256})",
                hint="run the same command again: the entry was removed, and is made again",
            )

    def remove(self) -> None:
        """Remove it from the cache. Wait for a build that makes it."""
        if self.path.parent.is_dir():
            with locked(self.path):
                _facts_of(self.path).unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)

    def as_values(self) -> dict[str, Any]:
        """Return it as values for a stamp; see entry_of."""
        return {"path": str(self.path), "sha256": self.sha256, "facts": dict(self.facts)}


def entry_of(values: Values) -> Entry:
    """Return the entry for which as_values returned *values*."""
    return Entry(Path(values["path"]), values["sha256"], values["facts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an entry is made from. Its path in the cache depends on all of this.

    *kind* is its folder in the cache. Its bytes depend on *inputs*, and on the code of *module*, which makes
    it, and of all that this imports. *suffix* ends the file's name.
    """

    kind: str
    inputs: Values
    suffix: str
    module: str

    def values(self) -> Values:
        """Return all that decides the entry's bytes. Raise ValueError if *inputs* have an entry ``code``."""
        return merged(self.inputs, {"code": code_digest(self.module)})

    def digest(self) -> str:
        return digest_of(self.values())


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache in the folder *root* (see ssiuml.host.places.cache_root)."""

    root: Path

    def get_or_make(self, key: Key, make: Callable[[Path], Values]) -> Entry:
        """Return the entry of *key*. Make it with ``make(path)`` if it is missing or damaged.

        *make* writes the file at *path*, under that name only when it is whole, and returns facts about it.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(path):
            entry = self._read(path)
            if entry is not None:
                try:
                    entry.verify()
                except CacheError as error:
                    say(f"{error.message}; it is made again")
                else:
                    _facts_of(path).touch()  # when it was last used
                    return entry
            facts = make(path)
            sha256 = file_sha256(path)
            values = {"sha256": sha256, "facts": facts, "inputs": key.values()}
            write_text(_facts_of(path), json.dumps(values, indent=2, sort_keys=True) + "\n")
            _remove_superseded(path)
            _remove_left_parts(path.parent)
            return Entry(path, sha256, facts)

    def path(self, key: Key) -> Path:
        """Return the path of the entry of *key*, which may not exist."""
        return self.root / key.kind / f"{key.digest()[:24]}{key.suffix}"

    def has(self, key: Key) -> bool:
        """Return whether the entry was made. Its bytes are not checked."""
        path = self.path(key)
        return path.is_file() and self._read(path) is not None

    def remove(self, key: Key) -> None:
        """Remove an entry, if it exists."""
        Entry(self.path(key), "", {}).remove()

    @staticmethod
    def _read(path: Path) -> Entry | None:
        try:
            values = json.loads(_facts_of(path).read_text(encoding="utf-8"))
            return Entry(path, values["sha256"], values["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other builds from making the file *path*. Raise CacheError if one does so for LOCK_TIMEOUT_S."""
    lock = FileLock(_lock_of(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{path.name}: another build is making it; waiting")
        try:
            lock.acquire(timeout=LOCK_TIMEOUT_S)
        except Timeout:
            raise CacheError(
                f"{path}: another build has been making this cache entry for {LOCK_TIMEOUT_S:.0f} s",
                hint="stop that build, then run the same command to continue",
            ) from None
    try:
        yield
    finally:
        lock.release()


def _remove_superseded(path: Path) -> None:
    """Remove entries made from the same inputs as *path* by other code, and not used for SUPERSEDED_KEPT_S.

    Without this, every change in the code would leave another base and kernel in the cache for good.
    """
    inputs, oldest = _inputs_without_code(path), time.time() - SUPERSEDED_KEPT_S
    for facts in path.parent.glob("*.json"):
        other = facts.with_name(facts.name.removesuffix(".json"))
        # Another build may be using it, or has just removed it.
        with suppress(Timeout, FileNotFoundError), FileLock(_lock_of(other), timeout=0):
            if other != path and facts.stat().st_mtime < oldest and _inputs_without_code(other) == inputs:
                facts.unlink()
                other.unlink()


def _remove_left_parts(folder: Path) -> None:
    """Remove what killed builds have left in *folder* of entries that perhaps nobody will make again."""
    for part in folder.glob(".*.part"):
        if not is_left(part):
            continue
        target = part.with_name(re.sub(r"^\.|(\.json\.[0-9]+)?\.part$", "", part.name))
        with suppress(Timeout), FileLock(_lock_of(target), timeout=0):  # else another build writes it
            remove_part(part)


def _inputs_without_code(path: Path) -> Any:
    try:
        inputs = json.loads(_facts_of(path).read_text(encoding="utf-8"))["inputs"]
        return {key: value for key, value in inputs.items() if key != "code"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged, or of a version that did not note them


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _facts_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
