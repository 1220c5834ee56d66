"""What a log gets of work that takes long."""

import io
import sys
import time

import pytest

from ssiuml.host import progress

MIB = 1 << 20


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stream)
    return stream


@pytest.mark.parametrize(("total", "of"), [(6 * MIB, " of 6"), (None, "")])
def test_a_long_transfer_says_how_far_it_is(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch, total: int | None, of: str
) -> None:
    monkeypatch.setattr(progress, "_SHORT_S", -1.0)
    monkeypatch.setattr(progress, "_LINE_S", -1.0)
    with progress.transferred("data", total) as advance:
        for _ in range(3):
            advance(2 * MIB)
    assert log.getvalue().splitlines() == [f"data: {done}{of} MiB" for done in (2, 4, 6)]


def test_there_is_a_line_after_a_while_and_then_not_for_longer(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    said = []
    with progress.transferred("data", None) as advance:
        for seconds in (1.0, 2.5, 4.0, 12.0, 13.0, 14.0):
            now_s = seconds
            advance(MIB)
            said.append(len(log.getvalue().splitlines()))
    assert said == [0, 1, 1, 1, 2, 2]
