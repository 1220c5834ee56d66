"""One file from the first of its mirrors that gives it, whole and as it has to be."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import file_sha256
from ssiuml.host.files import part_of, require_space
from ssiuml.sources.http import SILENCE_LIMIT_S, DownloadError, download
from ssiuml.units import format_size

if TYPE_CHECKING:
    import requests

UNAVAILABLE: Final = "no mirror has given it"
TRIES: Final = 5  # of one mirror, while it gives something


class MirrorsError(SsiumlError):
    """No mirror has given the file; *told* says what each did, *gone* whether all of them do not have it."""

    def __init__(self, told: Sequence[str], *, gone: bool) -> None:
        super().__init__(f"{UNAVAILABLE}\n  " + "\n  ".join(told))
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
    """Fetch *path* from one of *urls* (http, https, file); return which it was, and the SHA-256.

    One that gives another *sha256*, or more than *limit_bytes*, is passed over. *show* is told what is going
    on, *on_bytes* how many bytes there are, and of how many. Raises MirrorsError. The caller holds *path*'s
    lock.
    """
    told = []
    gone = True
    for url in urls:
        try:
            found = _from(url, path, limit_bytes, silence_limit_s, show, on_bytes, session)
        except DownloadError as error:
            told.append(f"{url}: {error.message}")
            gone = gone and error.absent
            continue
        if sha256 is not None and found != sha256:
            told.append(f"{url}: gives SHA-256 {found}, wanted is {sha256}")
            gone = False
            _discard(path)
            continue
        part_of(path).replace(path)
        _discard(path)
        return url, found
    raise MirrorsError(told, gone=gone)


def _from(
    url: str,
    path: Path,
    limit_bytes: int,
    silence_limit_s: float,
    show: Callable[[str], None],
    on_bytes: Callable[[int, int | None], None],
    session: "requests.Session | None",
) -> str:
    part = part_of(path)
    if urlsplit(url).scheme == "file":
        _discard(path)  # what another mirror has left cannot go on behind these bytes, nor they behind it
        _copy_file(Path(unquote(urlsplit(url).path)), part, limit_bytes)
        return file_sha256(part)
    show(url)
    for number in range(1, TRIES + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            download(
                url,
                part,
                limit_bytes,
                silence_limit_s=silence_limit_s,
                on_bytes=on_bytes,
                session=session,
            )
            break
        except DownloadError as error:
            after = part.stat().st_size if part.exists() else 0
            if not error.again or (number == TRIES and after <= before):
                raise
            show(f"{error.message}; going on")
    else:
        raise DownloadError(f"broke off {TRIES} times")
    return file_sha256(part)


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


def _discard(path: Path) -> None:
    part = part_of(path)
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)
