"""Programs that see themselves as root, although an ordinary user runs them.

fakeroot(1) is a preloaded library and a daemon that remembers owner, mode and device of each inode. The
command ``fakeroot`` puts its daemon into the background, where it outlives a command that is killed. Here
the daemon stays in the foreground: it and its message queues end with the block or with this process.
"""

import os
import select
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ssiuml.host.run import CommandError, die_with_parent, find_tool, run

_DAEMON: Final = "faked-sysv"
_START_LIMIT_S: Final = 60.0
_END_LIMIT_S: Final = 15.0
_PRELOAD: Final = ("LD_PRELOAD", "LD_LIBRARY_PATH")


@contextmanager
def fakeroot() -> Iterator[Mapping[str, str]]:
    """Yield environment variables for programs. All programs that get them share one view of the files.

    Until the block ends, each program sees the owners, modes, devices and attributes that earlier programs
    have set. A statically linked program sees the real ones. Raise CommandError if fakeroot is not installed,
    does not start, or runs already around this process.
    """
    daemon = find_tool(_DAEMON)
    if daemon is None:
        raise CommandError(f"the program '{_DAEMON}' is not on this machine", hint="run ./run host-tools")
    preload = _preload()
    with (
        die_with_parent(_END_LIMIT_S) as launcher,
        subprocess.Popen(  # noqa: S603 - an argument list of ours
            [*launcher.prefix, daemon, "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=(launcher.fd,),
            start_new_session=True,
        ) as process,
    ):
        try:
            yield {
                **preload,
                "FAKEROOTKEY": _key(process),
                # No real chown: the kernel would refuse it to an ordinary user, and do it for root.
                "FAKEROOTDONTTRYCHOWN": "1",
            }
        finally:
            _end(process)


def _preload() -> dict[str, str]:
    """Return the variables that fakeroot sets for the dynamic linker. They hold the path of its library."""
    # 'echo' stands for the daemon: a real one would end so soon that its message queues may stay behind.
    words = ["fakeroot-sysv", "--faked", "echo 1:none", "--", "env", "-0"]
    pairs = (name.partition("=") for name in run(words, timeout_s=_START_LIMIT_S).split("\0"))
    return {name: value for name, _, value in pairs if name in _PRELOAD}


def _key(process: "subprocess.Popen[bytes]") -> str:
    """Return the key of the daemon's message queues, from its first line, ``KEY:PID``."""
    out = process.stdout
    if out is None or not select.select([out], [], [], _START_LIMIT_S)[0]:
        raise CommandError(f"{_DAEMON}: did not start within {_START_LIMIT_S:.0f} s")
    key = os.read(out.fileno(), 100).decode(errors="replace").partition(":")[0]
    if not key.isdigit():
        raise CommandError(f"{_DAEMON}: could not start; it printed the key '{key}', not a number")
    return key


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()  # on SIGTERM it removes its message queues
    try:
        process.wait(_END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
