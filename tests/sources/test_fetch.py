"""Sources: fetched from good and bad mirrors, resumed, compared with their pins, taken from the downloads."""

import gzip
import hashlib
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from http_server import Web, web_server

from ssiuml.errors import SsiumlError
from ssiuml.sources.fetch import Fetched, Source, fetch
from ssiuml.sources.lock_file import LockFile

DATA = random.Random(1).randbytes(300_000)  # noqa: S311
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@dataclass
class Bench:
    folder: Path

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads"

    @property
    def lock(self) -> LockFile:
        return LockFile(self.folder / "recipes" / "mine.lock")

    def fetch(
        self, *urls: str, sha256: str | None = None, limit_bytes: int = 1 << 20, offline: bool = False
    ) -> Fetched:
        source = Source(name="base", urls=urls, file_name="base.bz2", limit_bytes=limit_bytes, sha256=sha256)
        return fetch(source, downloads=self.downloads, lock=self.lock, offline=offline, silence_limit_s=0.5)

    def refused(self, *urls: str, sha256: str | None = None, limit_bytes: int = 1 << 20) -> str:
        with pytest.raises(SsiumlError) as caught:
            self.fetch(*urls, sha256=sha256, limit_bytes=limit_bytes)
        assert not (self.downloads / "base.bz2").exists()
        return str(caught.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# Fetched once; digests and pins


def test_file_comes_whole_and_is_pinned_with_a_message(
    bench: Bench, web: Web, capfd: pytest.CaptureFixture[str]
) -> None:
    url = web.serve("/a/base.bz2", DATA)
    fetched = bench.fetch(url)
    assert fetched == Fetched(bench.downloads / "base.bz2", SHA256, len(DATA), url)
    assert fetched.path.read_bytes() == DATA
    pin = bench.lock.pins()["base"]
    assert (pin.url, pin.size_bytes, pin.sha256) == (url, len(DATA), SHA256)
    printed = capfd.readouterr().err
    assert "recipes/mine.lock: base is pinned at first use" in printed
    assert SHA256 in printed
    assert bench.downloads.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in bench.downloads.iterdir() if path.name.endswith(".part")] == []


def test_file_among_the_downloads_is_not_fetched_again(bench: Bench, web: Web) -> None:
    url = web.serve("/base", DATA)
    bench.fetch(url)
    assert bench.fetch(url).sha256 == SHA256
    assert len(web.requests) == 1


def test_file_that_the_user_put_there_is_taken_and_pinned(bench: Bench) -> None:
    bench.downloads.mkdir()
    (bench.downloads / "base.bz2").write_bytes(DATA)
    assert bench.fetch("http://127.0.0.1:1/base", offline=True).sha256 == SHA256
    assert bench.lock.pins()["base"].sha256 == SHA256


def test_file_urls_are_copied(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "with space").write_bytes(DATA)
    url = f"file://{tmp_path}/with%20space"
    assert bench.fetch(url).path.read_bytes() == DATA
    assert (tmp_path / "with space").exists()


def test_changed_file_is_refused_with_both_digests_and_a_hint(bench: Bench, web: Web) -> None:
    fetched = bench.fetch(web.serve("/base", DATA))
    other = b"x" + DATA[1:]
    fetched.path.write_bytes(other)
    with pytest.raises(SsiumlError) as caught:
        bench.fetch(web.url("/base"))
    text = str(caught.value)
    assert SHA256 in text
    assert hashlib.sha256(other).hexdigest() in text
    assert "mine.lock" in text
    assert fetched.path.read_bytes() == other


def test_stored_digest_does_not_count_when_size_or_time_differ(bench: Bench, web: Web) -> None:
    fetched = bench.fetch(web.serve("/base", DATA))
    state = fetched.path.stat()
    fetched.path.write_bytes(b"x" + DATA[1:])
    os.utime(fetched.path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    with pytest.raises(SsiumlError, match="has SHA-256"):
        bench.fetch(web.url("/base"))


def test_next_mirror_is_tried_when_one_differs_from_the_pin(bench: Bench, web: Web) -> None:
    good, bad = web.serve("/good", DATA), web.serve("/bad", DATA[::-1])
    assert bench.fetch(bad, good, sha256=SHA256).url == good
    (bench.downloads / "base.bz2").unlink()
    message = bench.refused(bad, sha256=SHA256)
    assert hashlib.sha256(DATA[::-1]).hexdigest() in message
    assert SHA256 in message


def test_recipe_and_lock_that_contradict_each_other_are_an_error(bench: Bench, web: Web) -> None:
    bench.fetch(web.serve("/base", DATA))
    with pytest.raises(SsiumlError, match=r"the recipe wants SHA-256 0+, .*mine.lock has"):
        bench.fetch(web.url("/base"), sha256="0" * 64)


def test_offline_names_the_missing_file_and_its_folder(bench: Bench, web: Web) -> None:
    with pytest.raises(SsiumlError, match=r"downloads/base\.bz2 is not there, and nothing may be fetched"):
        bench.fetch(web.serve("/base", DATA), offline=True)
    assert web.requests == []


# Bad mirrors


def test_next_mirror_is_tried_and_the_error_names_the_answers_of_all(bench: Bench, web: Web) -> None:
    assert bench.fetch(web.url("/absent"), web.serve("/base", DATA)).url == web.url("/base")
    (bench.downloads / "base.bz2").unlink()
    message = bench.refused(web.url("/absent"), "http://127.0.0.1:1/x", f"file://{bench.folder}/nothing")
    assert "/absent: answers 404 Not Found" in message
    assert "http://127.0.0.1:1/x: " in message
    assert "refused" in message
    assert "nothing: cannot be read: No such file or directory" in message
    assert "put the file into" in message


def test_download_goes_on_where_the_connection_broke(bench: Bench, web: Web) -> None:
    url = web.serve("/base", DATA, drop_after=100_000, times=1)
    assert bench.fetch(url).sha256 == SHA256
    first, second = web.asked("/base")
    assert first is None
    assert second is not None
    assert 80_000 < int(second.removeprefix("bytes=").rstrip("-")) <= 100_000


def test_interrupted_download_goes_on_at_the_next_call(bench: Bench, web: Web) -> None:
    url = web.serve("/base", DATA, drop_after=50_000)
    assert "/base: " in bench.refused(url)
    web.serve("/base", DATA)
    web.requests.clear()
    assert bench.fetch(url).sha256 == SHA256
    (wanted,) = web.asked("/base")
    assert wanted is not None
    assert 30_000 < int(wanted.removeprefix("bytes=").rstrip("-")) <= 50_000


def test_two_versions_of_a_file_are_not_mixed(bench: Bench, web: Web) -> None:
    other = DATA[::-1]
    url = web.serve("/base", DATA, drop_after=100_000, then=other, times=1)
    assert bench.fetch(url).path.read_bytes() == other


def test_server_that_ignores_ranges_is_read_from_the_beginning(bench: Bench, web: Web) -> None:
    url = web.serve("/base", DATA, drop_after=100_000, times=1)
    web.paths["/base"].ignore_range = True
    bench_url = bench.fetch(url)
    assert bench_url.sha256 == SHA256


def test_server_that_sends_nothing_times_out(bench: Bench, web: Web) -> None:
    assert "timed out" in bench.refused(web.serve("/base", DATA, stall_after=1000))


def test_busy_server_is_asked_again(bench: Bench, web: Web) -> None:
    assert bench.fetch(web.serve("/base", DATA, status=503, times=2)).sha256 == SHA256
    assert len(web.requests) == 3


@pytest.mark.parametrize("lie", [len(DATA) + 5, len(DATA) - 5])
def test_file_of_another_length_than_announced_is_refused(bench: Bench, web: Web, lie: int) -> None:
    message = bench.refused(web.serve("/base", DATA, say_length=lie), sha256=SHA256)
    assert "/base: " in message


def test_file_of_unknown_length_is_fetched(bench: Bench, web: Web) -> None:
    assert bench.fetch(web.serve("/base", DATA, chunked=True)).sha256 == SHA256


@pytest.mark.parametrize("chunked", [False, True])
def test_file_larger_than_the_limit_is_not_kept(bench: Bench, web: Web, chunked: bool) -> None:
    message = bench.refused(web.serve("/base", DATA, chunked=chunked), limit_bytes=1000)
    assert "1000 bytes" in message
    left = sum(path.stat().st_size for path in bench.downloads.iterdir())
    assert left < 200_000


def test_web_pages_and_empty_files_are_never_pinned(bench: Bench, web: Web) -> None:
    page = web.serve("/page", b"<html>moved", content_type="text/html; charset=utf-8")
    message = bench.refused(page, web.serve("/empty", b""))
    assert "/page: gives a web page in place of the file" in message
    assert "/empty: gives an empty file" in message
    assert bench.lock.pins() == {}


def test_redirects_are_followed_to_http_and_https_only(bench: Bench, web: Web) -> None:
    web.serve("/base", DATA)
    web.serve("/two", b"", redirect="/base")
    assert bench.fetch(web.serve("/one", b"", redirect="/two")).sha256 == SHA256
    (bench.downloads / "base.bz2").unlink()
    assert "redirected more than 10 times" in bench.refused(web.serve("/loop", b"", redirect="/loop"))
    message = bench.refused(web.serve("/file", b"", redirect=f"file://{bench.folder}/secret"))
    assert "redirected from http to file" in message


def test_three_builds_at_once_fetch_a_file_once(bench: Bench, web: Web) -> None:
    url = web.serve("/base", DATA)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(bench.fetch(url).sha256)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [SHA256] * 3
    assert len(web.requests) == 1


def test_file_that_a_server_calls_gzip_encoded_is_not_decoded(bench: Bench, web: Web) -> None:
    data = gzip.compress(DATA)
    url = web.serve("/base", data, encoding="x-gzip", drop_after=200_000, times=1)
    assert bench.fetch(url).path.read_bytes() == data


def test_empty_file_of_the_user_is_not_pinned(bench: Bench) -> None:
    (bench.folder / "empty").touch()
    assert "is an empty file" in bench.refused(f"file://{bench.folder}/empty")


def test_redirect_to_a_malformed_url_is_an_error(bench: Bench, web: Web) -> None:
    assert "/base: " in bench.refused(web.serve("/base", b"", redirect="http://[bad/x"))
