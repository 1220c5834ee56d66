"""One source: taken from the downloads that are there, else from its mirrors, and held against its pin."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ssiuml.atomic import part_of, write_text
from ssiuml.cache import locked
from ssiuml.errors import SsiumlError
from ssiuml.progress import say, stages
from ssiuml.sources.http import SILENCE_LIMIT_S, DownloadError, download
from ssiuml.sources.lock import LockFile, Pin, today
from ssiuml.sparse import require_space
from ssiuml.steps import file_sha256
from ssiuml.units import format_size

TRIES: Final = 5  # of one mirror, while it gives something


UNAVAILABLE: Final = "no mirror has given it"


class SourceError(SsiumlError):
    """A source cannot be had, or is not what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to fetch: *name* is its key in the recipe, *file_name* what it is called among the downloads."""

    name: str
    urls: tuple[str, ...]
    file_name: str
    limit_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source that is there and verified; *url* is empty for a file that somebody put there."""

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
    """Return the source, verified; fetched if it is not in the folder *downloads* under its name.

    What it has to be is what the recipe or the lock file says; at its first use it is pinned there, and that
    is said. Raises SourceError, naming all mirrors and what each did, if it cannot be had, if it differs from
    its pin, or with *offline* if it is not there; CacheError if another build fetches it for too long.
    """
    downloads.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = downloads / source.file_name
    with locked(path):
        wanted = wanted_sha256(source, lock)
        if path.exists():
            found = Fetched(path, _digest(path), path.stat().st_size, "")
            _require_same(source, lock, wanted, found)
        elif offline:
            raise SourceError(
                f"sources.{source.name}: {path} is not there, and nothing may be fetched",
                hint="put the file there, or build once without --offline",
            )
        else:
            found = _fetch(source, path, wanted, lock, silence_limit_s)
        if wanted is None:
            _pin(source, lock, found)
        return found


def wanted_sha256(source: Source, lock: LockFile) -> str | None:
    """The SHA-256 that the source has to have, if that is known; SourceError if recipe and lock disagree."""
    pin = lock.pin_of(source.name, source.urls)
    if source.sha256 and pin and pin.sha256 != source.sha256:
        raise SourceError(
            f"sources.{source.name}: the recipe wants SHA-256 {source.sha256}, {lock.path} has {pin.sha256}",
            hint="remove the one that is out of date",
        )
    return source.sha256 or (pin.sha256 if pin else None)


def _require_same(source: Source, lock: LockFile, wanted: str | None, found: Fetched) -> None:
    if wanted is not None and found.sha256 != wanted:
        where = "the recipe" if source.sha256 else str(lock.path)
        raise SourceError(
            f"{found.path}: has SHA-256 {found.sha256}, {where} wants {wanted} for sources.{source.name}",
            hint=f"remove the file to fetch it anew, or, if the change is meant, its entry in {where}",
        )
    if found.size_bytes > source.limit_bytes:
        raise SourceError(
            f"{found.path}: has {format_size(found.size_bytes)}, sources.{source.name}.limit is "
            f"{format_size(source.limit_bytes)}",
            hint="raise the limit if the file is meant",
        )


def _pin(source: Source, lock: LockFile, found: Fetched) -> None:
    origin = found.url or f"{source.file_name}, which was there already"
    lock.add(source.name, Pin(found.url or source.urls[0], found.size_bytes, found.sha256, today()))
    say(f"{lock.path.parent.name}/{lock.path.name}: {source.name} is pinned at first use: {origin}")
    say(f"  {found.size_bytes} bytes, SHA-256 {found.sha256}")


def _fetch(source: Source, path: Path, wanted: str | None, lock: LockFile, silence_limit_s: float) -> Fetched:
    told = []
    for url in source.urls:
        try:
            sha256 = _from(url, source, path, silence_limit_s)
        except DownloadError as error:
            told.append(f"{url}: {error.message}")
            continue
        if wanted is not None and sha256 != wanted:
            told.append(f"{url}: gives SHA-256 {sha256}, wanted is {wanted}")
            _discard(path)
            continue
        part_of(path).replace(path)
        _discard(path)
        _remember(path, sha256)
        return Fetched(path, sha256, path.stat().st_size, url)
    lines = "\n  ".join(told)
    raise SourceError(
        f"sources.{source.name}: {UNAVAILABLE}\n  {lines}",
        hint=f"put the file into {path.parent} as {source.file_name}, or add a mirror to the recipe; "
        f"if a wrong file was pinned, remove the entry {source.name} from {lock.path}",
    )


def _from(url: str, source: Source, path: Path, silence_limit_s: float) -> str:
    part = part_of(path)
    if urlsplit(url).scheme == "file":
        _discard(path)  # what another mirror has left cannot go on behind these bytes, nor they behind it
        _copy_file(Path(unquote(urlsplit(url).path)), part, source.limit_bytes)
        return file_sha256(part)
    with stages(f"fetch {source.name}") as show:
        show(url)
        for number in range(1, TRIES + 1):
            before = part.stat().st_size if part.exists() else 0
            try:
                download(
                    url,
                    part,
                    source.limit_bytes,
                    silence_limit_s=silence_limit_s,
                    on_bytes=_teller(show),
                )
                break
            except DownloadError as error:
                after = part.stat().st_size if part.exists() else 0
                if not error.again or (number == TRIES and after <= before):
                    raise
                show(f"{error.message}; going on")
            except OSError as error:
                raise SourceError(f"{part}: cannot be written: {error.strerror}") from error
        else:
            raise DownloadError(f"broke off {TRIES} times")
    return file_sha256(part)


def _teller(show: Callable[[str], None]) -> Callable[[int, int | None], None]:
    """Tell of every tenth part, or of every 16 MiB where the length is not known."""
    told = 0

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        now = done * 10 // total if total else done >> 24
        if now > told:
            told = now
            show(f"{format_size(done)} of {format_size(total)}" if total else format_size(done))

    return tell


def _copy_file(origin: Path, part: Path, limit_bytes: int) -> None:
    try:
        size = origin.stat().st_size
        if not size:
            raise DownloadError("is an empty file")
        if size > limit_bytes:
            raise DownloadError(f"has {format_size(size)}, the limit is {format_size(limit_bytes)}")
        require_space(part.parent, size, f"a copy of {origin}")
        shutil.copyfile(origin, part)
    except OSError as error:
        raise DownloadError(f"cannot be read: {error.strerror}") from error


def _discard(path: Path) -> None:
    part = part_of(path)
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def _side_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256.json")


def _digest(path: Path) -> str:
    """The file's SHA-256; hashed only if its size or time is not what it was the last time."""
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
