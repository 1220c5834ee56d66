"""Have one source: a file among the downloads, or else from its mirrors, compared with its pin."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import locked
from ssiuml.host.digests import file_sha256
from ssiuml.host.files import write_text
from ssiuml.host.progress import say, stages
from ssiuml.sources.http import SILENCE_LIMIT_S
from ssiuml.sources.lock_file import LockFile, Pin, today
from ssiuml.sources.mirrors import MirrorsError, fetch_from_mirrors
from ssiuml.units import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to fetch. *name* is its key in the recipe, *file_name* its name among the downloads."""

    name: str
    urls: tuple[str, ...]
    file_name: str
    limit_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source that is there and verified. *url* is empty for a file that the user put there."""

    path: Path
    sha256: str
    size_bytes: int
    url: str


def fetch(
    source: Source,
    *,
    downloads: Path,
    lock: LockFile,
    offline: bool = False,
    silence_limit_s: float = SILENCE_LIMIT_S,
) -> Fetched:
    """Return *source*, verified. Fetch it if the folder *downloads* does not have it under its name.

    The recipe or the lock file has the SHA-256 that it must have. If neither does, this is its first use: it
    is pinned in the lock file, and a message says so. Raise SsiumlError, with all mirrors and what each
    answered, if no mirror gives it; also if it differs from its pin, and if it is not there and *offline* is
    set. Raise CacheError if another build fetches it for too long.
    """
    downloads.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = downloads / source.file_name
    with locked(path):
        wanted = wanted_sha256(source, lock)
        if path.exists():
            found = Fetched(path, _digest(path), path.stat().st_size, "")
            _require_same(source, lock, wanted, found)
        elif offline:
            raise SsiumlError(
                f"sources.{source.name}: {path} is not there, and nothing may be fetched",
                hint="put the file there, or build once without --offline",
            )
        else:
            found = _fetch(source, path, wanted, lock, silence_limit_s)
        if wanted is None:
            _pin(source, lock, found)
        return found


def wanted_sha256(source: Source, lock: LockFile) -> str | None:
    """Return the SHA-256 that *source* must have; None if it has never been fetched.

    Raise SsiumlError if recipe and lock file contradict each other.
    """
    pin = lock.pin_of(source.name, source.urls)
    if source.sha256 and pin and pin.sha256 != source.sha256:
        raise SsiumlError(
            f"sources.{source.name}: the recipe wants SHA-256 {source.sha256}, {lock.path} has {pin.sha256}",
            hint="remove the one that is out of date",
        )
    return source.sha256 or (pin.sha256 if pin else None)


def _require_same(source: Source, lock: LockFile, wanted: str | None, found: Fetched) -> None:
    if wanted is not None and found.sha256 != wanted:
        where = "the recipe" if source.sha256 else str(lock.path)
        raise SsiumlError(
            f"{found.path}: has SHA-256 {found.sha256}, {where} wants {wanted} for sources.{source.name}",
            hint=f"remove the file to fetch it again; if the change is intended, remove the entry in {where}",
        )
    if found.size_bytes > source.limit_bytes:
        raise SsiumlError(
            f"{found.path}: has {format_size(found.size_bytes)}, sources.{source.name}.limit is "
            f"{format_size(source.limit_bytes)}",
            hint="raise the limit if this is the right file",
        )


def _pin(source: Source, lock: LockFile, found: Fetched) -> None:
    origin = found.url or f"{source.file_name}, which was there already"
    lock.add(source.name, Pin(found.url or source.urls[0], found.size_bytes, found.sha256, today()))
    say(f"{lock.shown}: {source.name} is pinned at first use: {origin}")
    say(f"  {found.size_bytes} bytes, SHA-256 {found.sha256}")


def _fetch(source: Source, path: Path, wanted: str | None, lock: LockFile, silence_limit_s: float) -> Fetched:
    try:
        with stages(f"fetch {source.name}") as show:
            url, sha256 = fetch_from_mirrors(
                source.urls,
                path,
                sha256=wanted,
                limit_bytes=source.limit_bytes,
                show=show,
                on_bytes=_reporter(show),
                silence_limit_s=silence_limit_s,
            )
    except MirrorsError as error:
        raise SsiumlError(
            f"sources.{source.name}: {error.message}",
            hint=f"put the file into {path.parent} as {source.file_name}, or add a mirror to the recipe; "
            f"if a wrong file was pinned, remove the entry {source.name} from {lock.path}",
        ) from error
    except OSError as error:
        raise SsiumlError(f"{path}: cannot be written: {error.strerror}") from error
    _remember(path, sha256)
    return Fetched(path, sha256, path.stat().st_size, url)


def _reporter(show: Callable[[str], None]) -> Callable[[int, int | None], None]:
    """Return a function that shows every tenth of a download, or every 16 MiB of one of unknown length."""
    shown = 0

    def report(done: int, total: int | None) -> None:
        nonlocal shown
        now = done * 10 // total if total else done >> 24
        if now > shown:
            shown = now
            show(f"{format_size(done)} of {format_size(total)}" if total else format_size(done))

    return report


def _side_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256.json")


def _digest(path: Path) -> str:
    """Return the file's SHA-256. Compute it only if size, time or inode have changed since the last time."""
    state = path.stat()
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(_side_file(path).read_text(encoding="utf-8"))
        if known["state"] == [state.st_size, state.st_mtime_ns, state.st_ino]:
            return str(known["sha256"])
    sha256 = file_sha256(path)
    _remember(path, sha256)
    return sha256


def _remember(path: Path, sha256: str) -> None:
    state = path.stat()
    values = {"state": [state.st_size, state.st_mtime_ns, state.st_ino], "sha256": sha256}
    write_text(_side_file(path), json.dumps(values))
