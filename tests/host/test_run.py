"""Foreign programs: what they print, how they fail, and that none outlives the build."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.host import run as run_module
from ssiuml.host.run import TAIL_LINES, CommandError, find_tool, run

LIMIT_S = 20.0

# A build in a process of its own: it runs a program that leaves its pid and that of a child in files.
BUILD = """
import sys
from pathlib import Path
from ssiuml.host import session
from ssiuml.host.run import run
folder = sys.argv[1]
session.stop_on_signals()
run(["sh", "-c", 'sleep 300 & echo $! >"$0/child"; echo $$ >"$0/program"; wait', folder], timeout_s=300)
"""


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie (proc_pid_stat(5), the field behind the name)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.02)


def number_in(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), str(path))
    return int(path.read_text())


def start_build(folder: Path) -> tuple[subprocess.Popen[str], int, int]:
    """Start BUILD; give it with the pids of its program and of the program's child."""
    build = subprocess.Popen([sys.executable, "-c", BUILD, folder], stderr=subprocess.PIPE, text=True)
    return build, number_in(folder / "program"), number_in(folder / "child")


def test_output_holds_both_streams() -> None:
    assert set(run(["sh", "-c", "echo out; echo err >&2"], timeout_s=LIMIT_S).splitlines()) == {"out", "err"}


def test_standard_error_stays_out_of_the_output_when_asked() -> None:
    text = run(["sh", "-c", "echo out; echo err >&2"], timeout_s=LIMIT_S, merge_stderr=False)
    assert text == "out\n"


def test_the_error_shows_standard_error_even_when_kept_apart() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo why >&2; exit 1"], timeout_s=LIMIT_S, merge_stderr=False)
    assert caught.value.output == "why"


def test_output_is_whole_every_time() -> None:
    # A program that ends at once, again and again: what it printed last must not get lost.
    script = "echo first; echo second >&2; seq 1 200"
    assert [len(run(["sh", "-c", script], timeout_s=LIMIT_S).split()) for _ in range(40)] == [202] * 40


def test_output_is_whole_when_a_child_keeps_the_pipe_open() -> None:
    outputs = [run(["sh", "-c", "sleep 300 & echo done"], timeout_s=LIMIT_S) for _ in range(10)]
    assert outputs == ["done\n"] * 10


def test_lines_are_seen_as_they_come_without_their_ends() -> None:
    seen: list[str] = []
    run(["printf", r"one\ntwo\r\nthree"], timeout_s=LIMIT_S, on_line=seen.append)
    assert seen == ["one", "two", "three"]


def test_an_error_has_the_exact_command_the_exit_status_and_the_last_lines() -> None:
    script = "seq 1 100; exit 7"
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", script, "two words"], timeout_s=LIMIT_S)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"sh -c '{script}' 'two words': exit status 7"
    assert [line.strip() for line in lines[-TAIL_LINES:]] == [str(n) for n in range(101 - TAIL_LINES, 101)]


@pytest.mark.parametrize("status", [1, 2, 255])
def test_an_exit_status_that_is_allowed_is_no_error(status: int) -> None:
    text = run(["sh", "-c", f"echo fine; exit {status}"], timeout_s=LIMIT_S, ok_exit=(0, status))
    assert text == "fine\n"


def test_a_program_ended_by_a_signal_says_which_with_its_last_lines() -> None:
    with pytest.raises(CommandError, match="ended by signal 9") as caught:
        run(["sh", "-c", "echo last; kill -KILL $$"], timeout_s=LIMIT_S)
    assert caught.value.output == "last"


def test_a_missing_program_is_named_with_what_to_do() -> None:
    with pytest.raises(CommandError, match=r"'no-such-program'.*\n.*host-tools"):
        run(["no-such-program", "--version"], timeout_s=LIMIT_S)


def test_output_that_is_not_utf8_is_taken() -> None:
    assert run(["printf", r"a\377b\n"], timeout_s=LIMIT_S) == "a\ufffdb\n"


@pytest.mark.parametrize(
    "word", ["$HOME", "; echo two", "`id`", "a  b", "*", "--", "-n", "'", '"', "\\", "\n"]
)
def test_no_shell_looks_at_the_arguments(word: str) -> None:
    assert run(["printf", "%s|", "first", word], timeout_s=LIMIT_S) == f"first|{word}|"


def test_a_program_whose_first_argument_looks_like_an_option_gets_it() -> None:
    assert "printf" in run([sys.executable, "-c", "import sys; print(sys.argv)", "printf"], timeout_s=LIMIT_S)


def test_standard_input_arrives_byte_for_byte(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    copy = tmp_path / "copy"
    run(["cat"], timeout_s=LIMIT_S, stdin=data, stdout=copy)
    assert copy.read_bytes() == data


@pytest.mark.parametrize("stdin", [None, b""])
def test_a_program_that_reads_finds_the_end_of_its_input(stdin: bytes | None) -> None:
    assert run(["cat"], timeout_s=LIMIT_S, stdin=stdin) == ""


def test_output_to_a_file_is_whole_every_time(tmp_path: Path) -> None:
    data = bytes(range(256)) * 500
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(data)
    for _ in range(20):
        text = run(["sh", "-c", 'cat "$0"; echo aside >&2', source], timeout_s=LIMIT_S, stdout=copy)
        assert text == "aside\n"
        assert copy.read_bytes() == data


def test_folder_and_environment_are_as_asked_and_the_rest_is_kept(tmp_path: Path) -> None:
    text = run(
        ["sh", "-c", 'pwd; echo "$ONE"; command -v sh'], timeout_s=LIMIT_S, cwd=tmp_path, env={"ONE": "1"}
    )
    assert text.splitlines()[:2] == [str(tmp_path), "1"]
    assert text.splitlines()[2].endswith("/sh")


def test_a_shell_that_the_user_has_set_up_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # bash(1): a script reads $BASH_ENV, and functions from the environment, unless told otherwise.
    (tmp_path / "env").write_text("echo noise\nexec() { echo mine; }\n")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("BASH_FUNC_setsid%%", "() { echo mine; }")
    assert run(["printf", "quiet"], timeout_s=LIMIT_S) == "quiet"


def test_a_program_gets_no_terminal() -> None:
    assert run(["sh", "-c", "test -t 1 || test -t 0 || echo none"], timeout_s=LIMIT_S) == "none\n"


def test_the_time_limit_ends_the_program_and_its_children(tmp_path: Path) -> None:
    script = 'sleep 300 & echo $! >"$0/child"; echo $$ >"$0/program"; echo busy; wait'
    begun = time.monotonic()
    with pytest.raises(CommandError, match="not finished after 1 s") as caught:
        run(["sh", "-c", script, tmp_path], timeout_s=1)
    assert time.monotonic() - begun < LIMIT_S
    assert caught.value.output == "busy"
    for name in ("program", "child"):
        pid = number_in(tmp_path / name)
        wait_until(lambda pid=pid: not runs(pid), f"the end of the {name}")  # type: ignore[misc]


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "TERM_GRACE_S", 0.5)
    script = 'trap "" TERM; echo $$ >"$0/program"; while :; do sleep 1; done'
    with pytest.raises(CommandError, match="not finished after 1 s"):
        run(["sh", "-c", script, tmp_path], timeout_s=1)
    wait_until(lambda: not runs(number_in(tmp_path / "program")), "the end of the program")


def test_a_program_may_clean_up_when_its_time_is_over(tmp_path: Path) -> None:
    script = 'trap "touch $0/cleaned; exit 0" TERM; while :; do sleep 0.1; done'
    with pytest.raises(CommandError, match="not finished"):
        run(["sh", "-c", script, tmp_path], timeout_s=0.5)
    assert (tmp_path / "cleaned").exists()


def test_children_that_outlive_the_program_are_ended(tmp_path: Path) -> None:
    run(["sh", "-c", 'sleep 300 & echo $! >"$0/child"', tmp_path], timeout_s=LIMIT_S)
    wait_until(lambda: not runs(number_in(tmp_path / "child")), "the end of the child")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_an_interrupted_build_ends_the_program_first(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    build, program, child = start_build(tmp_path)
    build.send_signal(number)
    _, errors = build.communicate(timeout=LIMIT_S)
    assert build.returncode == status
    assert not runs(program)
    wait_until(lambda: not runs(child), "the end of the child")
    assert "Traceback" not in errors


def test_a_killed_build_takes_its_program_and_its_children_along(tmp_path: Path) -> None:
    build, program, child = start_build(tmp_path)
    build.kill()
    build.communicate(timeout=LIMIT_S)
    wait_until(lambda: not runs(program), "the end of the program")
    wait_until(lambda: not runs(child), "the end of the program's child")


def test_system_programs_are_found_without_sbin_in_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_tool("mkfs.gfs2")
    assert found is not None
    assert Path(found).is_absolute()


def test_the_users_path_goes_before_the_system_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "mkfs.gfs2"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tool("mkfs.gfs2") == str(own)
