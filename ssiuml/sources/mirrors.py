"""Fetch one file from the first of its mirrors that gives it whole and unchanged."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import file_sha256
from ssiuml.host.files import part_of, require_space
from ssiuml.sources.http import SILENCE_LIMIT_S, DownloadError, discard, download
from ssiuml.units import format_size

if TYPE_CHECKING:
    import requests

UNAVAILABLE: Final = "no mirror has given it"
MAX_TRIES: Final = 5  # of one mirror


class MirrorsError(SsiumlError):
    """No mirror gives the file. *answers* has a line for each. *gone*: none of them has such a file."""

    def __init__(self, answers: Sequence[str], *, gone: bool) -> None:
        super().__init__(f"{UNAVAILABLE}\n  " + "\n  ".join(answers))
        self.gone = gone


def fetch_from_mirrors(
    urls: Sequence[str],
    path: Path,
    *,
    sha256: str | None,
    limit_bytes: int,
    show: Callable[[str], None],
    on_bytes: Callable[[int, int | None], None],
    silence_limit_s: float = SILENCE_LIMIT_S,
    session: "requests.Session | None" = None,
) -> tuple[str, str]:
    """Fetch *path* from the first of *urls* (http, https, file) that has it. Return that URL and the SHA-256.

    The next one is tried after one that gives another *sha256*, or more than *limit_bytes*. *show* gets lines
    about what is going on; *on_bytes* gets the number of bytes so far, and the total if it is known. Raise
    MirrorsError if none gives the file. The caller holds the lock of *path*.
    """
    answers = []
    gone = True
    for url in urls:
        try:
            found = _fetch_from(url, path, limit_bytes, silence_limit_s, show, on_bytes, session)
        except DownloadError as error:
            answers.append(f"{url}: {error.message}")
            gone = gone and error.absent
            continue
        part = part_of(path)
        if sha256 is not None and found != sha256:
            answers.append(f"{url}: gives SHA-256 {found}, wanted is {sha256}")
            gone = False
            discard(part)
            continue
        part.replace(path)
        discard(part)
        return url, found
    raise MirrorsError(answers, gone=gone)


def _fetch_from(
    url: str,
    path: Path,
    limit_bytes: int,
    silence_limit_s: float,
    show: Callable[[str], None],
    on_bytes: Callable[[int, int | None], None],
    session: "requests.Session | None",
) -> str:
    """Fetch *path* as a part from *url*. Return its SHA-256."""
    part = part_of(path)
    if urlsplit(url).scheme == "file":
        discard(part)  # these bytes must not be continued with those of a mirror
        _copy_file(Path(unquote(urlsplit(url).path)), part, limit_bytes)
        return file_sha256(part)
    show(url)
    for number in range(1, MAX_TRIES + 1):
        before = _size(part)
        try:
            download(
                url,
                part,
                limit_bytes,
                silence_limit_s=silence_limit_s,
                on_bytes=on_bytes,
                session=session,
            )
            return file_sha256(part)
        except DownloadError as error:
            if not error.again or (number == MAX_TRIES and _size(part) <= before):
                raise
            show(f"{error.message}; going on")
    raise DownloadError(f"broke off {MAX_TRIES} times")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


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
        absent = isinstance(error, FileNotFoundError)
        raise DownloadError(f"cannot be read: {error.strerror}", absent=absent) from error
