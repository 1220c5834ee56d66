"""Fetch one file by HTTP: continue where the last try broke off, within limits, and never mix two versions.

Why this is not left to a program:

- curl 7.88 in place of this module saved 20 of 133 lines of code, and five tests still failed. Its
  --continue-at sends no If-Range, so ETag and URL have to be kept all the same, or two versions are mixed.
  Its --retry begins again at the start. Its --max-filesize does not hold where the server gives no length;
  that takes prlimit(1). Its progress has to be read off the growing file. It names no cause if a connection
  fails, only "Couldn't connect to server". Each file costs a process and a connection; a base has 200.
- aria2c 1.36 sends no If-Range either: it mixes two versions and exits with status 0. It has no size limit.
"""

import json
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from ssiuml.errors import SsiumlError
from ssiuml.units import format_size

if TYPE_CHECKING:
    import requests

CONNECT_LIMIT_S: Final = 30.0
SILENCE_LIMIT_S: Final = 60.0
CHUNK_BYTES: Final = 1 << 14  # at most so much is lost when a connection breaks
MAX_REDIRECTS: Final = 10
_PARTIAL, _OK, _RANGE = 206, 200, 416
_ABSENT: Final = (404, 410)


class DownloadError(SsiumlError):
    """A mirror does not give the file.

    *again*: another try may succeed, and goes on behind the bytes that came so far. *absent*: the mirror says
    that it does not have such a file.
    """

    def __init__(self, message: str, *, again: bool = False, absent: bool = False) -> None:
        super().__init__(message)
        self.again = again
        self.absent = absent


def download(
    url: str,
    part: Path,
    limit_bytes: int,
    *,
    silence_limit_s: float = SILENCE_LIMIT_S,
    on_bytes: Callable[[int, int | None], None],
    session: "requests.Session | None" = None,
) -> None:
    """Fetch *url* to the file *part*. Go on behind the bytes that are there from the same URL and version.

    *on_bytes* gets the number of bytes so far, and the total if it is known. Connections of *session* are
    used again. Raise DownloadError if the server fails, sends nothing for *silence_limit_s* or sends more
    than *limit_bytes*.
    """
    # Imported here because that takes longer than most commands, which download nothing.
    import requests
    import urllib3

    state = _state_file(part)
    validator = _validator(state, url)
    have = part.stat().st_size if part.exists() and validator else 0
    # No compression in transit: ranges count the bytes of the file itself.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        with (
            nullcontext(session) if session else requests.Session() as used,
            closing(_answer(used, url, headers, (CONNECT_LIMIT_S, silence_limit_s))) as answer,
        ):
            _receive(answer, part, state, have, limit_bytes, on_bytes, url)
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise DownloadError(_reason(error), again=True) from error
    except (requests.RequestException, ValueError) as error:  # ValueError: a malformed URL
        raise DownloadError(_reason(error)) from error


def _answer(
    session: "requests.Session", url: str, headers: dict[str, str], limits: tuple[float, float]
) -> "requests.Response":
    """Return the answer after all redirects. One from https to http, or to another scheme, is an error."""
    for _ in range(MAX_REDIRECTS + 1):
        answer = session.get(url, headers=headers, stream=True, timeout=limits, allow_redirects=False)
        if not answer.is_redirect:
            return answer
        answer.close()
        before, url = urlsplit(url).scheme, urljoin(url, answer.headers["Location"])
        after = urlsplit(url).scheme
        if after not in ("http", "https") or (before, after) == ("https", "http"):
            raise DownloadError(f"is redirected from {before} to {after}, which is not followed")
    raise DownloadError(f"is redirected more than {MAX_REDIRECTS} times")


def _receive(
    answer: "requests.Response",
    part: Path,
    state: Path,
    have: int,
    limit_bytes: int,
    on_bytes: Callable[[int, int | None], None],
    url: str,
) -> None:
    if answer.status_code == _RANGE:
        part.unlink(missing_ok=True)
        raise DownloadError("no longer has what was fetched so far", again=True)
    if answer.status_code not in (_OK, _PARTIAL):
        again = answer.status_code >= 500
        absent = answer.status_code in _ABSENT
        raise DownloadError(f"answers {answer.status_code} {answer.reason}", again=again, absent=absent)
    # Download sites show such a page in place of a file that they do not have.
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError("gives a web page in place of the file")
    goes_on = answer.status_code == _PARTIAL and _starts_at(answer) == have
    if answer.status_code == _PARTIAL and not goes_on:
        raise DownloadError("gives another range than was asked for")
    done = have if goes_on else 0
    announced = answer.headers.get("Content-Length", "")
    total = done + int(announced) if announced.isascii() and announced.isdigit() else None
    if total is not None and total > limit_bytes:
        raise DownloadError(f"has {format_size(total)}, the limit is {format_size(limit_bytes)}")
    state.unlink(missing_ok=True)
    with part.open("r+b" if goes_on else "wb") as stream:
        stream.seek(done)
        stream.truncate()
        _remember(state, url, answer)
        done = _copy(answer, stream, done, total, limit_bytes, on_bytes)
    if not done:
        raise DownloadError("gives an empty file")
    if total is not None and done != total:
        raise DownloadError(f"ended after {done} of {total} bytes", again=True)


def _copy(
    answer: "requests.Response",
    stream: IO[bytes],
    done: int,
    total: int | None,
    limit_bytes: int,
    on_bytes: Callable[[int, int | None], None],
) -> int:
    # Undecoded: some servers give the compression of the file itself as the encoding.
    for chunk in answer.raw.stream(CHUNK_BYTES, decode_content=False):
        done += len(chunk)
        if done > limit_bytes:
            raise DownloadError(f"gives more than {format_size(limit_bytes)}, the limit")
        stream.write(chunk)
        on_bytes(done, total)
    return done


def _starts_at(answer: "requests.Response") -> int | None:
    words = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(words) if words.isascii() and words.isdigit() else None


def discard(part: Path) -> None:
    """Remove what has been fetched so far, if anything."""
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


def _state_file(part: Path) -> Path:
    """Return the path of the file that says which URL and version *part* is from."""
    return part.with_name(f"{part.name}.json")


def _remember(state: Path, url: str, answer: "requests.Response") -> None:
    # A weak ETag does not promise the same bytes (RFC 9110, 13.1.5).
    tag = answer.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
    if validator:
        state.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")


def _validator(state: Path, url: str) -> str:
    """Return the ETag or date of the version that the part was begun from; "" if it is not from *url*."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads(state.read_text(encoding="utf-8"))
        if values["url"] == url:
            return str(values["validator"])
    return ""


def _reason(error: Exception) -> str:
    """Return the readable text of an error of requests: that of the innermost error."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    first = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    text = str(reason) if reason is not None else first
    return text.rpartition(">: ")[2] or type(error).__name__
