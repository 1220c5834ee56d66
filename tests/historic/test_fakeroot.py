"""fakeroot: programs of one block share their view of the files, and nothing is left when it ends."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import wait_until

from ssiuml.historic.fakeroot import fakeroot
from ssiuml.host.run import CommandError, run


def _queues() -> set[str]:
    return set(subprocess.run(["ipcs", "-q"], capture_output=True, text=True).stdout.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_build_leaves_neither_processes_nor_message_queues(tmp_path: Path, number: int) -> None:
    pid = tmp_path / "pid"
    code = (
        "from ssiuml.historic.fakeroot import fakeroot\n"
        "from ssiuml.host.run import run\n"
        "with fakeroot() as environ:\n"
        "    print(environ['FAKEROOTKEY'], flush=True)\n"
        f"    run(['sh', '-c', 'echo $$ >{pid}; exec sleep 300'], timeout_s=300, env=environ)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        key = f"{int(build.stdout.readline()):#010x}"
        wait_until(lambda: pid.is_file() and bool(pid.read_text().strip()), "the program runs", 30)
        assert any(key in line for line in _queues())
        build.send_signal(number)
    sleeper = Path("/proc", pid.read_text().strip())
    wait_until(lambda: not sleeper.exists(), "the program has ended", 30)
    wait_until(lambda: not any(key in line for line in _queues()), "the queues are removed", 30)


def test_programs_of_one_block_share_their_changes_and_those_of_later_blocks_do_not_see_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x"
    path.touch()
    with fakeroot() as environ:
        run(["chown", "12:34", path], timeout_s=60, env=environ)
        assert run(["stat", "-c", "%u:%g", path], timeout_s=60, env=environ) == "12:34\n"
    with fakeroot() as environ:
        assert run(["stat", "-c", "%u:%g", path], timeout_s=60, env=environ) == "0:0\n"
    assert path.stat().st_uid == os.getuid()


def test_short_blocks_leave_no_message_queues() -> None:
    ours = set()
    for _ in range(5):
        with fakeroot() as environ:
            ours.add(f"{int(environ['FAKEROOTKEY']):#010x}")
            assert run(["stat", "-c", "%u", "/"], timeout_s=60, env=environ) == "0\n"
    assert len(ours) == 5
    assert not [line for line in _queues() if line.split() and line.split()[0] in ours]


def test_a_watching_shell_that_starts_late_makes_no_message_queues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A preloaded library would make the removed queues again when it first looks at a file.
    setsid = shutil.which("setsid")
    late = tmp_path / "setsid"
    script = "touch begun; sleep 1; stat / >/dev/null; touch looked"
    late.write_text(f"#!/bin/sh\ncd '{tmp_path}' && exec {setsid} sh -c '{script}'\n")
    late.chmod(0o755)
    waits = f"until [ -e '{tmp_path}/begun' ]; do sleep 0.05; done"
    with fakeroot() as environ:
        key = f"{int(environ['FAKEROOTKEY']):#010x}"
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        run(["sh", "-c", waits], timeout_s=60, env=environ)
    wait_until((tmp_path / "looked").exists, "the shell has looked at a file", 30)
    assert not [line for line in _queues() if line.startswith(key)]


def test_fakeroot_inside_fakeroot_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKEROOTKEY", "1")
    with pytest.raises(CommandError, match="nested operation not yet supported"), fakeroot():
        pass
