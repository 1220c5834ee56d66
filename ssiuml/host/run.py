"""Programs of this machine: argument lists, a time limit, the exact command in every error.

A program and all its children end with this process, even if this is killed, so that nothing goes on writing
after a build. A shell that watches takes care of that (see die_with_parent), since Linux offers less:

- A signal at the parent's death (prctl PR_SET_PDEATHSIG, ``setpriv --pdeathsig``) reaches one process. Its
  children stay: a User-Mode Linux whose first process is killed leaves those of its guest behind, with the
  disks still open. ``timeout`` passes the signal on to its whole group, but ends with the program, and then
  leaves a child that ignores SIGTERM.
- A process namespace (``unshare --kill-child``, ``bwrap --die-with-parent``) needs root or a user namespace.
  Containers and some distributions forbid both, and mmdebstrap's newuidmap does not work inside one. It kills
  all processes at once: fakeroot's daemon would leave its message queues behind.
"""

import fnmatch
import logging
import os
import shlex
import shutil
import signal
import subprocess
import textwrap
import threading
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.installation import programs_hint

log = logging.getLogger(__name__)

TAIL_LINES: Final = 25
# The user's umask and language must not change what a program writes: a prefix for its argument list, and
# variables for its environment.
PLAIN_UMASK: Final = ("sh", "-c", 'umask 022 && exec "$@"', "sh")
PLAIN_LANGUAGE: Final = {"LC_ALL": "C", "TZ": "UTC"}
# Debian keeps mkfs and fsck in folders that an ordinary user's PATH does not have.
SYSTEM_DIRS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
TERM_GRACE_S = 15.0  # how long a program may take to clean up after SIGTERM
# After the program's end its output is read until none has come for so long: a daemon that it left elsewhere
# may keep the pipe open.
SILENCE_LIMIT_S: Final = 2.0
# $1: the process group. $2: the time between SIGTERM and SIGKILL, in tenths of a second.
_WATCH: Final = """
read -r _
kill -TERM -- "-$1" || exit
for ((tries = 0; tries < $2; tries++)); do
    kill -0 -- "-$1" || exit
    sleep 0.1
done
kill -KILL -- "-$1"
"""
# $1: the pipe. $2: the time for _WATCH. $3: _WATCH. $4: how many NAME=VALUE follow; then comes the program.
# No variables of its own: one with the same name in the user's environment would change for the program.
_START: Final = """
(setsid bash -p -c "$3" bash "$$" "$2" <&"$1" >/dev/null 2>&1 &)
eval "exec $1<&-"
(($4 == 0)) || export "${@:5:$4}"
exec "${@:5 + $4}"
"""

_running: set["subprocess.Popen[bytes]"] = set()


class CommandError(SsiumlError):
    """A program is missing, failed, or exceeded its time limit.

    ``output`` holds the last lines it printed. ``status`` is its exit status, None if it was ended.
    """

    def __init__(
        self, message: str, *, output: str = "", hint: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.output = output
        self.status = status

    def _text(self) -> str:
        if not self.output:
            return super()._text()
        return f"{super()._text()}\n  its last lines:\n{textwrap.indent(self.output, '    ')}"


def find_tool(name: str) -> str | None:
    """Return the absolute path of a program in PATH or SYSTEM_DIRS, None if it is missing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_DIRS])
    return shutil.which(name, path=path)


@dataclass(frozen=True, slots=True)
class Launcher:
    """How to start the program: put *prefix* before its argument list, and let it inherit *fd*."""

    prefix: tuple[str, ...]
    fd: int


@contextmanager
def die_with_parent(grace_s: float, env: Mapping[str, str] | None = None) -> Iterator[Launcher]:
    """Yield the launcher for a program that ends with this block, or with this process.

    The caller starts it in a session of its own. At the end of the block its process group gets SIGTERM, and
    SIGKILL *grace_s* seconds later. *env* goes to the program only: an inherited LD_PRELOAD would outlive the
    block in the shell that watches.
    """
    # That shell is in another session. It waits for a pipe to close, as the death of this process does, and
    # then ends the group. It is there before the program starts, and is neither its parent nor its child.
    read_end, write_end = os.pipe()
    try:
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        words = [str(read_end), str(round(grace_s * 10)), _WATCH, str(len(variables)), *variables]
        # -p: bash ignores BASH_ENV and the functions in the user's environment.
        yield Launcher(("bash", "-p", "-c", _START, "bash", *words), read_end)
    finally:
        os.close(read_end)
        os.close(write_end)


def kill_group(group: int) -> None:
    """Kill every process of a group of this user's, also stopped ones. Do nothing if there is none left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | Callable[[IO[bytes]], None] | None = None,
    stdout: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    ok_exit: Sequence[int] = (0,),
    merge_stderr: bool = True,
    pass_on: Sequence[str] = ("*",),
) -> str:
    """Run a program to its end. Return its output, with standard error unless *merge_stderr* is false.

    It runs in a session of its own and ends with this process (see die_with_parent). From this process's
    environment it gets the variables whose names match one of the patterns *pass_on*, and it gets *env*.
    *stdin* is its standard input, or a function that writes it, in another thread. *stdout* names a file for
    standard output, byte for byte; only standard error is returned then. Another thread calls *on_line* with
    each line of both streams. If *stdin* or *on_line* raises, the program is ended.

    Raise CommandError, with the last lines of the output, if the program is missing, if its exit status is
    not in *ok_exit*, or if it runs longer than *timeout_s*. Raise what *on_line* and *stdin* raise.
    """
    name = str(argv[0])
    program = find_tool(name)
    if program is None:
        raise CommandError(f"the program '{name}' is not on this machine", hint=programs_hint())
    words = [str(word) for word in argv]
    log.info("%s", shlex.join(words))
    output: list[str] = []
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    errors: list[Exception] = []
    taken = 0

    def take(is_returned: bool, text: str) -> None:
        nonlocal taken
        if is_returned:
            output.append(text)
        line = text.rstrip("\r\n")
        tail.append(line)
        if on_line is not None:
            on_line(line)
        taken += 1

    with (
        die_with_parent(TERM_GRACE_S, env) as launcher,
        nullcontext(subprocess.PIPE) if stdout is None else stdout.open("wb") as target,
    ):
        process = subprocess.Popen(  # noqa: S603 - the caller's argument list
            [*launcher.prefix, program, *words[1:]],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=target,
            stderr=subprocess.STDOUT if merge_stderr and stdout is None else subprocess.PIPE,
            pass_fds=(launcher.fd,),
            start_new_session=True,
            env=_passed_on(pass_on),
            cwd=cwd,
        )
        if process.stdin is not None:
            write = stdin if callable(stdin) else partial(_write_bytes, stdin or b"")
            _start_thread(_write, process, process.stdin, write, errors)
        readers = [
            _start_thread(_read, process, stream, partial(take, is_returned), errors)
            for stream, is_returned in ((process.stdout, True), (process.stderr, merge_stderr))
            if stream is not None
        ]
        failure = _wait(process, timeout_s)
        for reader in readers:
            _join_until_silent(reader, lambda: taken)
    if errors:
        raise errors[0]
    status = None
    if failure is None and process.returncode not in ok_exit:
        status = process.returncode
        failure = f"exit status {status}"
    if failure is not None:
        raise CommandError(f"{shlex.join(words)}: {failure}", output="\n".join(tail), status=status)
    return "".join(output)


def run_to_status(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    ok_exit: Container[int] = range(256),
) -> tuple[int, list[str]]:
    """Run a program whose exit status its words explain. Return status and lines of output.

    Raise CommandError, as run does, if it has no exit status, or one that is not in *ok_exit*.
    """
    lines: list[str] = []
    try:
        run(argv, timeout_s=timeout_s, env=env, on_line=lines.append)
    except CommandError as error:
        if error.status is None or error.status not in ok_exit:
            raise
        return error.status, lines
    return 0, lines


def _passed_on(patterns: Sequence[str]) -> dict[str, str]:
    found = {name for pattern in patterns for name in fnmatch.filter(os.environ, pattern)}
    return {name: os.environ[name] for name in found}


def _start_thread(function: Callable[..., None], *arguments: object) -> threading.Thread:
    # A daemon thread: this process may end while a daemon that the program left still holds the pipe.
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _write_bytes(data: bytes, stream: IO[bytes]) -> None:
    stream.write(data)


def _write(
    process: "subprocess.Popen[bytes]",
    stream: IO[bytes],
    write: Callable[[IO[bytes]], None],
    errors: list[Exception],
) -> None:
    with suppress(BrokenPipeError), stream:
        try:
            write(stream)
        except BrokenPipeError:
            raise
        except Exception as error:
            errors.append(error)
            # Before the stream is closed: the program must not take that for the end of its input.
            _end(process)


def _read(
    process: "subprocess.Popen[bytes]",
    stream: IO[bytes],
    take: Callable[[str], None],
    errors: list[Exception],
) -> None:
    with stream:
        try:
            for line in stream:
                take(line.decode("utf-8", "replace"))
        except Exception as error:
            errors.append(error)
            _end(process)


def _join_until_silent(reader: threading.Thread, lines_read: Callable[[], int]) -> None:
    before = -1
    while reader.is_alive() and lines_read() != before:
        before = lines_read()
        reader.join(SILENCE_LIMIT_S)


def _wait(process: "subprocess.Popen[bytes]", timeout_s: float) -> str | None:
    """Wait for the program's end. Return what ended it, None if it ended by itself."""
    _running.add(process)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"not finished after {timeout_s:.0f} s, ended"
    except BaseException:
        _end(process)
        raise
    finally:
        _running.discard(process)
        # End children that outlived it: a User-Mode Linux that aborts leaves the processes of its guest.
        kill_group(process.pid)
    return f"ended by signal {-process.returncode}" if process.returncode < 0 else None


def end_all() -> None:
    """End every program that any thread runs now. Each caller of run gets a CommandError."""
    for process in list(_running):
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the program: SIGTERM to it, so that it can clean up, then SIGKILL to its process group."""
    for ask in (process.terminate, partial(kill_group, process.pid)):
        ask()
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_GRACE_S)
            return
