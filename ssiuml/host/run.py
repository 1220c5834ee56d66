"""The one door to foreign programs: argument lists, a time limit, the exact command in every error."""

import fnmatch
import logging
import os
import shlex
import shutil
import textwrap
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import sh

from ssiuml.errors import SsiumlError
from ssiuml.host.installation import programs_hint
from ssiuml.host.leash import kill_group, leash

log = logging.getLogger(__name__)

TAIL_LINES = 25
# What the user's umask and language are must not show in what a program makes or says: to be put before its
# words, and its environment.
PLAIN_UMASK = ("sh", "-c", 'umask 022 && exec "$@"', "sh")
PLAIN_LANGUAGE = {"LC_ALL": "C", "TZ": "UTC"}
# Debian keeps mkfs and fsck where an ordinary user's PATH does not reach.
SYSTEM_DIRS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# How long a program may take to clean up behind itself after SIGTERM.
TERM_GRACE_S = 15.0
FIRST_LOOK_S = 0.002
SH_LOOKS_EVERY_S = 0.1

_running: dict[int, sh.RunningCommand] = {}


class CommandError(SsiumlError):
    """A program is missing, failed, or went over its time limit.

    ``output`` holds the last lines it printed.
    """

    def __init__(self, message: str, *, output: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.output = output

    def _text(self) -> str:
        if not self.output:
            return super()._text()
        return f"{super()._text()}\n  its last lines:\n{textwrap.indent(self.output, '    ')}"


def find_tool(name: str) -> str | None:
    """Absolute path of a program, also from the directories for system tools; None if there is none."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_DIRS])
    return shutil.which(name, path=path)


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    stdout: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    ok_exit: Sequence[int] = (0,),
    merge_stderr: bool = True,
    pass_on: Sequence[str] = ("*",),
) -> str:
    """Run a program to its end and return what it printed (standard error too, unless told otherwise).

    It runs in a session of its own; if this process is interrupted or dies, the program is ended too,
    so that nothing goes on writing behind a build that has stopped. *env* is added to the environment, of
    which the variables that one of the patterns *pass_on* matches are passed on.
    *on_line* sees each line as it comes. *stdout* names a file that takes standard output, byte for byte
    (only standard error is returned then). Raises CommandError, with the last lines of the output, if the
    program is missing, its exit status is not in *ok_exit*, or it runs longer than *timeout_s*.
    """
    name = str(argv[0])
    program = find_tool(name)
    if program is None:
        raise CommandError(f"the program '{name}' is not on this machine", hint=programs_hint())
    words = [str(word) for word in argv]
    log.info("%s", shlex.join(words))
    output: list[str] = []
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def take(line: str) -> None:
        output.append(line)
        tail.append(line.rstrip("\r\n"))
        if on_line is not None:
            on_line(line.rstrip("\r\n"))

    def take_error(line: str) -> None:
        tail.append(line.rstrip("\r\n"))
        if on_line is not None:
            on_line(line.rstrip("\r\n"))

    with leash(TERM_GRACE_S, env) as held, stdout.open("wb") if stdout else nullcontext(take) as out:
        process = sh.Command(held.prefix[0])(
            *held.prefix[1:],
            program,
            *words[1:],
            _pass_fds={held.fd},
            _bg=True,
            _bg_exc=False,
            _return_cmd=True,
            _new_session=True,
            _in=stdin or b"",  # None would be a pipe that never ends
            _out=out,
            _err=take if merge_stderr else take_error,
            _encoding="utf-8",
            _decode_errors="replace",
            _env=_passed_on(pass_on),
            _cwd=str(cwd) if cwd else None,
            _ok_code=list(range(256)),
            # A pipe, not a terminal: programs then print plainly, and a User-Mode Linux starts no helper
            # process to watch the window's size, which would outlive it.
            _tty_out=False,
            _no_out=True,
        )
        failure = _wait(process, timeout_s)
    if failure is None and process.exit_code not in ok_exit:
        failure = f"exit status {process.exit_code}"
    if failure is not None:
        raise CommandError(f"{shlex.join(words)}: {failure}", output="\n".join(tail))
    return "".join(output)


def _passed_on(patterns: Sequence[str]) -> dict[str, str]:
    found = {name for pattern in patterns for name in fnmatch.filter(os.environ, pattern)}
    return {name: os.environ[name] for name in found}


def _wait(process: sh.RunningCommand, timeout_s: float) -> str | None:
    """Wait until the program has ended and its output is read; say what ended it if that was not itself."""
    failure = None
    _running[process.pid] = process
    try:
        # sh looks every tenth of a second, which is long for the many programs that take less.
        pause_s = FIRST_LOOK_S
        while pause_s < SH_LOOKS_EVERY_S and process.is_alive():
            time.sleep(pause_s)
            pause_s *= 2
        process.wait(timeout=timeout_s)
    except sh.TimeoutException:
        _end(process)
        failure = f"not finished after {timeout_s:.0f} s, ended"
    except sh.SignalException as error:
        failure = f"ended by signal {-error.exit_code}"
    except BaseException:
        _end(process)
        raise
    finally:
        _running.pop(process.pid, None)
        # Children that outlived it: a User-Mode Linux that aborts leaves the processes of its guest behind.
        kill_group(process.pid)
    # sh's wait with a limit does not wait for the threads that read the output; this one does.
    process.process.wait()
    return failure


def end_all() -> None:
    """End every program that any thread runs now; their callers get a CommandError."""
    for process in list(_running.values()):
        _end(process)


def _end(process: sh.RunningCommand) -> None:
    """End the program and everything in its session; politely first, so that it can clean up."""
    for ask in (process.terminate, process.kill_group):
        try:
            ask()
            process.wait(timeout=TERM_GRACE_S)
        except (sh.TimeoutException, sh.ErrorReturnCode, ProcessLookupError):
            continue
        return
