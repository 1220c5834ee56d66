"""The cache: an entry is made once, by one process, and made again if it is damaged."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from processes import ended_pid

from ssiuml.host import cache as cache_module
from ssiuml.host.cache import Cache, CacheError, Entry, Key, entry_of

INPUTS = {"packages": ["a", "b"], "epoch": 1}
KEY = Key(kind="base", inputs=INPUTS, suffix=".tar", module="ssiuml.tree.layer")


class Maker:
    """Makes an entry's file, and counts its calls."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, path: Path) -> Mapping[str, Any]:
        self.made += 1
        path.write_bytes(b"the bytes")
        return {"names": 3}


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_an_entry_is_made_once(cache: Cache, make: Maker) -> None:
    first = cache.get_or_make(KEY, make)
    second = cache.get_or_make(KEY, make)
    assert make.made == 1
    assert first == second
    assert first.path.read_bytes() == b"the bytes"
    assert first.facts == {"names": 3}


def test_sha256sum_prints_the_same_digest(cache: Cache, make: Maker) -> None:
    entry = cache.get_or_make(KEY, make)
    text = subprocess.run(["sha256sum", entry.path], capture_output=True, text=True, check=True).stdout
    assert text.split()[0] == entry.sha256


def test_other_inputs_kinds_and_suffixes_make_other_entries(cache: Cache, make: Maker) -> None:
    cache.get_or_make(KEY, make)
    cache.get_or_make(replace(KEY, inputs={**INPUTS, "epoch": 2}), make)
    cache.get_or_make(replace(KEY, kind="kernel"), make)
    cache.get_or_make(replace(KEY, suffix=".cpio"), make)
    assert make.made == 4


def test_the_path_has_the_kind_and_the_suffix_and_lies_in_the_root(cache: Cache) -> None:
    path = cache.path(KEY)
    assert path.parent == cache.root / "base"
    assert path.suffix == ".tar"


def test_has_returns_whether_an_entry_was_made(cache: Cache, make: Maker) -> None:
    assert not cache.has(KEY)
    assert not cache.root.exists(), "asking made a folder"
    cache.get_or_make(KEY, make)
    assert cache.has(KEY)


def flip_a_byte(path: Path) -> None:
    path.write_bytes(b"the Bytes")


def cut_off(path: Path) -> None:
    os.truncate(path, 4)


def lose(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, lose])
def test_a_damaged_entry_is_made_again_with_a_message(
    cache: Cache, make: Maker, damage: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = cache.get_or_make(KEY, make)
    damage(entry.path)
    again = cache.get_or_make(KEY, make)
    assert make.made == 2
    assert again.path.read_bytes() == b"the bytes"
    said = capfd.readouterr().err
    assert str(entry.path) in said
    assert "made again" in said


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "null", "{}", '{"sha256": 1, "facts": {}}', '{"sha256": "0"}']
)
def test_an_entry_without_whole_facts_does_not_count(cache: Cache, make: Maker, text: str | None) -> None:
    entry = cache.get_or_make(KEY, make)
    facts = entry.path.with_name(f"{entry.path.name}.json")
    if text is None:
        facts.unlink()
    else:
        facts.write_text(text)
    again = cache.get_or_make(KEY, make)
    assert make.made == 2
    assert again == entry


def test_a_make_that_fails_leaves_no_entry(cache: Cache, make: Maker) -> None:
    def fail(path: Path) -> Mapping[str, Any]:
        path.write_bytes(b"the by")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.get_or_make(KEY, fail)
    assert not cache.has(KEY)
    assert cache.get_or_make(KEY, make).path.read_bytes() == b"the bytes"


def test_the_facts_are_written_last(cache: Cache) -> None:
    path = cache.path(KEY)

    def make(target: Path) -> Mapping[str, Any]:
        assert target == path
        assert not list(path.parent.glob("*.json"))
        target.write_bytes(b"")
        return {}

    cache.get_or_make(KEY, make)
    assert json.loads(path.with_name(f"{path.name}.json").read_text())["inputs"] == KEY.values()


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, lose])
def test_verify_removes_a_damaged_entry_and_raises(cache: Cache, make: Maker, damage: Any) -> None:
    entry = cache.get_or_make(KEY, make)
    entry.verify()
    damage(entry.path)
    with pytest.raises(CacheError, match=rf"{entry.path}.*damaged.*\n.*removed"):
        entry.verify()
    assert not entry.path.exists()
    assert not cache.has(KEY)


def test_an_entry_comes_back_from_a_stamp(cache: Cache, make: Maker) -> None:
    entry = cache.get_or_make(KEY, make)
    stamp = json.loads(json.dumps(entry.as_values()))
    assert entry_of(stamp) == entry
    assert isinstance(entry_of(stamp), Entry)


def test_remove_removes_one_entry_only(cache: Cache, make: Maker) -> None:
    other = cache.get_or_make(replace(KEY, inputs={"other": 1}), make)
    cache.get_or_make(KEY, make)
    cache.remove(KEY)
    assert not cache.has(KEY)
    other.verify()


def test_what_older_code_made_of_the_same_inputs_is_removed_once_nobody_uses_it(
    cache: Cache, make: Maker
) -> None:
    modules = ("ssiuml.tree.tree", "ssiuml.tree.cpio", "ssiuml.tree.elf")
    superseded, used, locked = (replace(KEY, module=module) for module in modules)
    other = replace(KEY, inputs={"other": 1})
    for key in (superseded, used, locked, other):
        cache.get_or_make(key, make)
    for facts in cache.path(KEY).parent.glob("*.json"):
        os.utime(facts, (0, 0))
    cache.get_or_make(used, make)
    path = cache.path(locked)
    with FileLock(path.with_name(f".{path.name}.lock")):
        cache.get_or_make(KEY, make)
    assert [cache.has(key) for key in (superseded, used, locked, other, KEY)] == [False, *[True] * 4]
    assert not cache.path(superseded).exists()


def test_what_a_killed_build_has_left_goes_with_the_next_entry_unless_another_build_writes_it(
    cache: Cache, make: Maker
) -> None:
    folder = cache.path(KEY).parent
    (folder / ".unpacked.part" / "below").mkdir(parents=True)
    left = [
        folder / ".0123.tar.part",
        folder / f".0123.tar.json.{ended_pid()}.part",
        folder / ".unpacked.part",
    ]
    kept = [folder / ".4567.tar.part", folder / f".4567.tar.json.{os.getppid()}.part"]
    for path in (*left[:2], *kept):
        path.write_text("half")
    with FileLock(folder / ".4567.tar.lock"):
        cache.get_or_make(KEY, make)
    assert [path.exists() for path in (*left, *kept)] == [False, False, False, True, True]


def test_removing_a_missing_entry_does_nothing(cache: Cache) -> None:
    cache.remove(KEY)
    assert not cache.root.exists()


def test_two_processes_make_an_entry_only_once(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from ssiuml.host.cache import Cache, Key
def make(path):
    time.sleep(0.5)
    with open(sys.argv[2], "a") as log:
        log.write(f"{os.getpid()}\\n")
    path.write_bytes(b"the bytes")
    return {}
key = Key(kind="base", inputs={}, suffix=".tar", module="ssiuml.tree.layer")
print(Cache(Path(sys.argv[1])).get_or_make(key, make).sha256)
"""
    log = tmp_path / "log"
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "cache", log],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    results = [build.communicate(timeout=30) for build in builds]
    assert [build.returncode for build in builds] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    assert len(log.read_text().splitlines()) == 1
    assert any("another build is making it" in errors for _, errors in results)


def test_the_error_for_a_lock_held_too_long_names_the_entry(
    cache: Cache, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "LOCK_TIMEOUT_S", 0.2)
    path = cache.get_or_make(KEY, make).path
    with FileLock(path.with_name(f".{path.name}.lock")), pytest.raises(CacheError, match=path.name):
        cache.get_or_make(KEY, make)
