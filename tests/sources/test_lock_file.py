"""Lock files: read, rewritten, inherited, and damaged ones refused."""

from pathlib import Path

import pytest
import yaml

from ssiuml.errors import SsiumlError
from ssiuml.sources.lock_file import LockFile, Pin

SHA256 = "a" * 64


@pytest.fixture
def lock(tmp_path: Path) -> LockFile:
    return LockFile(tmp_path / "recipes" / "mine.lock")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "is not a mapping of sections"),
        ("sources: 5", "sources: is not a mapping"),
        ("sources: {base: 5}", "sources.base: must have the keys date, sha256, size, url"),
        ("bases: {}", "bases: is not one of the sections sources, base, kernel"),
        ("sources: {base: {url: x, size: x, sha256: x, date: x}}", "the size 'x' is not a number of bytes"),
        ("sources: {base: {url: x, size: 5, sha256: x, date: x}}", "'x' is not a SHA-256"),
        ("base: [}", "line 1, column 8"),
    ],
)
def test_damaged_lock_file_is_an_error_with_its_name(lock: LockFile, text: str, problem: str) -> None:
    lock.path.parent.mkdir()
    lock.path.write_text(text)
    with pytest.raises(SsiumlError) as caught:
        lock.pins()
    assert problem in str(caught.value)
    assert "mine.lock" in str(caught.value)


def test_lock_file_with_sources_only_at_the_top_is_read_and_rewritten(lock: LockFile) -> None:
    lock.path.parent.mkdir()
    lock.path.write_text(f"base: {{url: 'http://x', size: 5, sha256: {SHA256}, date: '2026-01-01'}}\n")
    assert lock.pins() == {"base": Pin("http://x", 5, SHA256, "2026-01-01")}
    lock.add("demo", Pin("http://y", 6, SHA256, "2026-01-02"))
    assert set(yaml.safe_load(lock.path.read_text())) == {"sources"}
    assert set(lock.pins()) == {"base", "demo"}


def test_writing_a_section_leaves_the_others_and_removing_the_last_removes_the_file(lock: LockFile) -> None:
    pin = Pin("http://x", 5, SHA256, "2026-01-01")
    lock.write(base={"date": "x"}, kernel={"date": "y"})
    lock.add("base", pin)
    lock.write(base={"date": "z"})
    assert (lock.section("base"), lock.section("kernel")) == ({"date": "z"}, {"date": "y"})
    assert lock.pins() == {"base": pin}
    lock.write(base=None, kernel=None)
    assert list(yaml.safe_load(lock.path.read_text())) == ["sources"]
    lock.write(sources=None)
    assert not lock.path.exists()


def test_lock_file_does_not_depend_on_the_order_of_the_sources(tmp_path: Path) -> None:
    texts = []
    for order in (("a", "b"), ("b", "a")):
        lock = LockFile(tmp_path / "-".join(order))
        for name in order:
            lock.add(name, Pin(f"http://{name}", 5, SHA256, "2026-01-01"))
        texts.append(lock.path.read_text())
        assert set(lock.pins()) == {"a", "b"}
    assert texts[0] == texts[1]


def test_inherited_pin_counts_if_the_url_is_the_same(tmp_path: Path) -> None:
    url, other = "http://x/base", "http://x/other"
    parent = LockFile(tmp_path / "recipes" / "parent.lock")
    parent.add("base", Pin(url, 5, "0" * 64, "2026-01-01"))
    own = LockFile(tmp_path / "recipes" / "own.lock", (parent,))
    found = own.pin_of("base", (url,))
    assert found is not None
    assert found.sha256 == "0" * 64
    assert own.pin_of("base", (other,)) is None
    own.add("base", Pin(other, 5, SHA256, "2026-01-02"))
    pin = own.pin_of("base", (other,))
    assert pin is not None
    assert pin.sha256 == SHA256
    assert parent.pins()["base"].sha256 == "0" * 64
