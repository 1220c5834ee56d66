"""Foreign programs: what they print, how they fail, and that none outlives the build."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest
from processes import is_alive, wait_until

from ssiuml.host import run as run_module
from ssiuml.host.run import TAIL_LINES, CommandError, find_tool, run

LIMIT_S = 20.0

# A build in a process of its own. Its program writes its process id and that of its child to files.
BUILD = """
import sys
from pathlib import Path
from typing import IO
from ssiuml.host import session
from ssiuml.host.run import run
folder = sys.argv[1]
session.stop_on_signals()
run(["sh", "-c", 'sleep 300 & echo $! >"$0/child"; echo $$ >"$0/program"; wait', folder], timeout_s=300)
"""


def number_in(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), str(path))
    return int(path.read_text())


def start_build(folder: Path) -> tuple[subprocess.Popen[str], int, int]:
    """Start BUILD. Return it with the process ids of its program and of the program's child."""
    build = subprocess.Popen([sys.executable, "-c", BUILD, folder], stderr=subprocess.PIPE, text=True)
    return build, number_in(folder / "program"), number_in(folder / "child")


def test_output_holds_both_streams_in_their_order() -> None:
    script = "echo one; echo two >&2; echo three"
    assert run(["sh", "-c", script], timeout_s=LIMIT_S) == "one\ntwo\nthree\n"


def test_output_is_without_standard_error_on_request() -> None:
    text = run(["sh", "-c", "echo out; echo err >&2"], timeout_s=LIMIT_S, merge_stderr=False)
    assert text == "out\n"


def test_the_error_shows_standard_error_that_the_output_leaves_out() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo why >&2; exit 1"], timeout_s=LIMIT_S, merge_stderr=False)
    assert caught.value.output == "why"


def test_output_is_whole_every_time() -> None:
    # What a program prints just before it ends must not get lost.
    script = "echo first; echo second >&2; seq 1 200"
    assert [len(run(["sh", "-c", script], timeout_s=LIMIT_S).split()) for _ in range(40)] == [202] * 40


def test_output_is_whole_when_a_child_keeps_the_pipe_open() -> None:
    outputs = [run(["sh", "-c", "sleep 300 & echo done"], timeout_s=LIMIT_S) for _ in range(10)]
    assert outputs == ["done\n"] * 10


def test_output_ends_with_the_program_though_a_daemon_of_it_keeps_the_pipe_open(tmp_path: Path) -> None:
    # The program ends when the daemon has left its process group, which is killed then.
    start_daemon = """setsid sh -c 'echo $$ >"$0" && exec sleep 300' "$0" &"""
    script = f'{start_daemon} until [ -s "$0" ]; do sleep 0.01; done; cat "$0"'
    begun = time.monotonic()
    daemon = int(run(["sh", "-c", script, tmp_path / "daemon"], timeout_s=300))
    try:
        assert time.monotonic() - begun < LIMIT_S
        assert is_alive(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_output_is_whole_when_its_lines_are_taken_slower_than_they_are_written() -> None:
    seen: list[str] = []

    def take(line: str) -> None:
        time.sleep(0.8)  # together longer than the output may be silent
        seen.append(line)

    assert run(["seq", "4"], timeout_s=LIMIT_S, on_line=take) == "1\n2\n3\n4\n"
    assert seen == ["1", "2", "3", "4"]


def test_each_line_is_passed_on_without_its_end() -> None:
    seen: list[str] = []
    run(["printf", r"one\ntwo\r\nthree"], timeout_s=LIMIT_S, on_line=seen.append)
    assert seen == ["one", "two", "three"]


@pytest.mark.parametrize("merge_stderr", [True, False])
def test_each_line_is_passed_on_at_once(tmp_path: Path, merge_stderr: bool) -> None:
    # The program ends only when the file is there, which its own line makes.
    for script in ('echo "$0/out"', 'echo "$0/err" >&2'):
        script += '; until [ -e "$0/out" ] || [ -e "$0/err" ]; do sleep 0.01; done'
        run(
            ["sh", "-c", script, tmp_path],
            timeout_s=LIMIT_S,
            merge_stderr=merge_stderr,
            on_line=lambda line: Path(line).touch(),
        )
        for path in tmp_path.iterdir():
            path.unlink()


def test_an_error_while_a_line_is_taken_ends_the_program_and_is_raised(tmp_path: Path) -> None:
    def refuse(line: str) -> None:
        raise OSError(f"no room for {line}")

    begun = time.monotonic()
    with pytest.raises(OSError, match="no room for one"):
        run(
            ["sh", "-c", 'echo $$ >"$0/program"; echo one; exec sleep 300', tmp_path],
            timeout_s=300,
            on_line=refuse,
        )
    assert time.monotonic() - begun < LIMIT_S
    assert not is_alive(number_in(tmp_path / "program"))


def test_an_error_has_the_exact_command_the_exit_status_and_the_last_lines() -> None:
    script = "seq 1 100; exit 7"
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", script, "two words"], timeout_s=LIMIT_S)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"sh -c '{script}' 'two words': exit status 7"
    assert [line.strip() for line in lines[-TAIL_LINES:]] == [str(n) for n in range(101 - TAIL_LINES, 101)]


@pytest.mark.parametrize("status", [1, 2, 255])
def test_an_allowed_exit_status_is_no_error(status: int) -> None:
    text = run(["sh", "-c", f"echo fine; exit {status}"], timeout_s=LIMIT_S, ok_exit=(0, status))
    assert text == "fine\n"


def test_the_error_names_the_signal_that_ended_the_program_and_its_last_lines() -> None:
    with pytest.raises(CommandError, match="ended by signal 9") as caught:
        run(["sh", "-c", "echo last; kill -KILL $$"], timeout_s=LIMIT_S)
    assert caught.value.output == "last"


def test_the_error_names_a_missing_program_and_the_way_out() -> None:
    with pytest.raises(CommandError, match=r"'no-such-program'.*\n.*host-tools"):
        run(["no-such-program", "--version"], timeout_s=LIMIT_S)


def test_output_that_is_not_utf8_is_no_error() -> None:
    assert run(["printf", r"a\377b\n"], timeout_s=LIMIT_S) == "a\ufffdb\n"


@pytest.mark.parametrize(
    "word", ["$HOME", "; echo two", "`id`", "a  b", "*", "--", "-n", "'", '"', "\\", "\n"]
)
def test_no_shell_interprets_the_arguments(word: str) -> None:
    assert run(["printf", "%s|", "first", word], timeout_s=LIMIT_S) == f"first|{word}|"


def test_an_argument_that_looks_like_an_option_reaches_the_program() -> None:
    assert "printf" in run([sys.executable, "-c", "import sys; print(sys.argv)", "printf"], timeout_s=LIMIT_S)


def test_standard_input_arrives_byte_for_byte(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    copy = tmp_path / "copy"
    run(["cat"], timeout_s=LIMIT_S, stdin=data, stdout=copy)
    assert copy.read_bytes() == data


@pytest.mark.parametrize("stdin", [None, b""])
def test_a_program_that_reads_its_input_finds_the_end(stdin: bytes | None) -> None:
    assert run(["cat"], timeout_s=LIMIT_S, stdin=stdin) == ""


def test_a_function_writes_standard_input(tmp_path: Path) -> None:
    data, copy = bytes(range(256)) * 4096, tmp_path / "copy"

    def write(stream: IO[bytes]) -> None:
        for at in range(0, len(data), 1000):
            stream.write(data[at : at + 1000])

    run(["cat"], timeout_s=LIMIT_S, stdin=write, stdout=copy)
    assert copy.read_bytes() == data


def test_an_error_while_standard_input_is_written_ends_the_program_and_is_raised(tmp_path: Path) -> None:
    whole = tmp_path / "whole"

    def write(stream: IO[bytes]) -> None:
        stream.write(bytes(1 << 20))
        raise FileNotFoundError(2, "gone", "the source")

    with pytest.raises(FileNotFoundError, match="the source"):
        run(["sh", "-c", 'cat >/dev/null && touch "$0"', whole], timeout_s=LIMIT_S, stdin=write)
    assert not whole.exists()


def test_a_program_that_ends_before_a_function_has_written_all_is_judged_by_its_exit_status() -> None:
    def write(stream: IO[bytes]) -> None:
        for _ in range(64):
            stream.write(bytes(1 << 16))

    assert run(["true"], timeout_s=LIMIT_S, stdin=write) == ""
    with pytest.raises(CommandError, match="exit status 1"):
        run(["false"], timeout_s=LIMIT_S, stdin=write)


def test_output_to_a_file_is_whole_every_time(tmp_path: Path) -> None:
    data = bytes(range(256)) * 500
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(data)
    for _ in range(20):
        text = run(["sh", "-c", 'cat "$0"; echo aside >&2', source], timeout_s=LIMIT_S, stdout=copy)
        assert text == "aside\n"
        assert copy.read_bytes() == data


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run(["true"], timeout_s=LIMIT_S, stdin=bytes(1 << 20)) == ""


def test_the_program_gets_the_folder_the_variables_and_the_rest_of_the_environment(tmp_path: Path) -> None:
    text = run(
        ["sh", "-c", 'pwd; echo "$ONE"; command -v sh'], timeout_s=LIMIT_S, cwd=tmp_path, env={"ONE": "1"}
    )
    assert text.splitlines()[:2] == [str(tmp_path), "1"]
    assert text.splitlines()[2].endswith("/sh")


def test_variables_of_the_user_keep_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    # Also those that a shell script might use for itself.
    names = ["fd", "tries", "watch", "variables", "count", "words", "program"]
    for name in names:
        monkeypatch.setenv(name, "mine")
    lines = run(["env"], timeout_s=LIMIT_S, env={"more": "two words"}).splitlines()
    assert {f"{name}=mine" for name in names} | {"more=two words"} <= set(lines)


def test_only_the_variables_that_are_passed_on_reach_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS_1", "1")
    monkeypatch.setenv("OTHER", "2")
    text = run(["env"], timeout_s=LIMIT_S, env={"MORE": "3"}, pass_on=("PATH", "OURS_*"))
    assert {"OURS_1=1", "MORE=3"} <= set(text.splitlines())
    assert "OTHER" not in text


def test_the_users_settings_for_bash_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # bash(1): without -p, a script reads $BASH_ENV and takes functions from the environment.
    (tmp_path / "env").write_text("echo noise\nexec() { echo mine; }\n")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("BASH_FUNC_setsid%%", "() { echo mine; }")
    assert run(["printf", "quiet"], timeout_s=LIMIT_S) == "quiet"


def test_a_program_gets_no_terminal() -> None:
    assert run(["sh", "-c", "test -t 1 || test -t 0 || echo none"], timeout_s=LIMIT_S) == "none\n"


def test_a_program_leaves_no_zombie() -> None:
    words = ["ps", "-o", "stat=,pid=", "--ppid", str(os.getpid())]

    def zombies() -> set[str]:
        children = subprocess.run(words, capture_output=True, text=True).stdout
        return {line for line in children.splitlines() if line.startswith("Z")}

    before = zombies()  # of other tests of this process
    run(["sh", "-c", "sleep 300 & echo done"], timeout_s=LIMIT_S)
    assert zombies() <= before


def test_the_time_limit_ends_the_program_and_its_children(tmp_path: Path) -> None:
    script = 'sleep 300 & echo $! >"$0/child"; echo $$ >"$0/program"; echo busy; wait'
    begun = time.monotonic()
    with pytest.raises(CommandError, match="not finished after 1 s") as caught:
        run(["sh", "-c", script, tmp_path], timeout_s=1)
    assert time.monotonic() - begun < LIMIT_S
    assert caught.value.output == "busy"
    for name in ("program", "child"):
        pid = number_in(tmp_path / name)
        wait_until(lambda pid=pid: not is_alive(pid), f"the end of the {name}")  # type: ignore[misc]


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "TERM_GRACE_S", 0.5)
    script = 'trap "" TERM; echo $$ >"$0/program"; while :; do sleep 1; done'
    with pytest.raises(CommandError, match="not finished after 1 s"):
        run(["sh", "-c", script, tmp_path], timeout_s=1)
    wait_until(lambda: not is_alive(number_in(tmp_path / "program")), "the end of the program")


def test_a_program_that_exceeds_its_time_may_clean_up(tmp_path: Path) -> None:
    script = 'trap "touch $0/cleaned; exit 0" TERM; while :; do sleep 0.1; done'
    with pytest.raises(CommandError, match="not finished"):
        run(["sh", "-c", script, tmp_path], timeout_s=0.5)
    assert (tmp_path / "cleaned").exists()


def test_children_that_outlive_the_program_are_ended(tmp_path: Path) -> None:
    run(["sh", "-c", 'sleep 300 & echo $! >"$0/child"', tmp_path], timeout_s=LIMIT_S)
    wait_until(lambda: not is_alive(number_in(tmp_path / "child")), "the end of the child")


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
    assert not is_alive(program)
    wait_until(lambda: not is_alive(child), "the end of the child")
    assert "Traceback" not in errors


def test_a_killed_build_ends_its_program_and_the_programs_children(tmp_path: Path) -> None:
    build, program, child = start_build(tmp_path)
    build.kill()
    build.communicate(timeout=LIMIT_S)
    wait_until(lambda: not is_alive(program), "the end of the program")
    wait_until(lambda: not is_alive(child), "the end of the program's child")


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
