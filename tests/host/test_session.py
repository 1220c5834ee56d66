"""One build at a time for each recipe, and its end after a signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ended_pid

LIMIT_S = 20.0

HOLD = """
import sys
from pathlib import Path
from ssiuml.host import session
session.begin(Path(sys.argv[1]))
session.begin(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
TRY = """
import sys
from pathlib import Path
from ssiuml.errors import SsiumlError
from ssiuml.host import session
try:
    session.begin(Path(sys.argv[1]))
except SsiumlError as error:
    sys.exit(str(error))
"""


def hold(out: Path) -> subprocess.Popen[str]:
    """Start a process that has begun a build in *out*. It ends with its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def begin(out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", TRY, out], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def test_a_second_build_is_refused_with_the_process_id_of_the_first(tmp_path: Path) -> None:
    out = tmp_path / "images" / "one"
    first = hold(out)
    second = begin(out)
    first.communicate(timeout=LIMIT_S)
    assert second.returncode == 1
    assert f"{out}: another build" in second.stderr
    assert f"process {first.pid}" in second.stderr


def test_a_second_build_may_begin_after_the_first_has_ended(tmp_path: Path) -> None:
    hold(tmp_path).communicate(timeout=LIMIT_S)
    assert begin(tmp_path).returncode == 0


def test_a_second_build_may_begin_after_the_first_was_killed(tmp_path: Path) -> None:
    first = hold(tmp_path)
    first.kill()
    first.communicate(timeout=LIMIT_S)
    assert begin(tmp_path).returncode == 0


def test_a_refused_build_leaves_the_lock_of_the_first(tmp_path: Path) -> None:
    first = hold(tmp_path)
    assert [begin(tmp_path).returncode for _ in range(2)] == [1, 1]
    first.communicate(timeout=LIMIT_S)


@pytest.mark.parametrize("damage", ["", "no number\n"])
def test_a_damaged_file_of_the_process_id_does_not_lift_the_lock(tmp_path: Path, damage: str) -> None:
    first = hold(tmp_path)
    (tmp_path / ".lock.pid").write_text(damage)
    second = begin(tmp_path)
    first.communicate(timeout=LIMIT_S)
    assert second.returncode == 1
    assert "another build" in second.stderr
    assert "Traceback" not in second.stderr


def test_two_recipes_can_be_built_at_the_same_time(tmp_path: Path) -> None:
    first = hold(tmp_path / "one")
    second = begin(tmp_path / "two")
    first.communicate(timeout=LIMIT_S)
    assert second.returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_build_that_gets_a_signal_reports_it_and_the_next_may_begin(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    script = HOLD.replace("print(", "session.stop_on_signals()\nprint(")
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.send_signal(number)
    process.wait(timeout=LIMIT_S)
    _, errors = process.communicate()
    assert process.returncode == status
    assert "stopping" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / ".lock.pid").exists()
    assert begin(tmp_path).returncode == 0


# Another thread gets the signal, so that the main thread does not wake. On a busy machine, chance does that.
ASLEEP = """
import queue, signal, threading
from ssiuml.host import session
session.stop_on_signals()
threading.Timer(1, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
queue.Queue().get()
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_sent_again() -> None:
    process = subprocess.run(
        [sys.executable, "-c", ASLEEP], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (process.returncode, process.stderr) == (143, "stopping; run the same command to continue\n")


def test_temporary_files_of_killed_builds_go_with_the_next_build(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "layers" / ".tree.part" / "below").mkdir(parents=True)
    left = [tmp_path / "steps" / f".base.json.{ended_pid()}.part", tmp_path / "layers" / ".base.tar.part"]
    kept = [tmp_path / "steps" / f".fetch.json.{os.getpid()}.part", tmp_path / ".mine.part"]
    for path in (*left, *kept):
        path.write_text("half")
    assert begin(tmp_path).returncode == 0
    assert [path.exists() for path in (*left, tmp_path / "layers" / ".tree.part")] == [False] * 3
    assert [path.exists() for path in kept] == [True] * 2
