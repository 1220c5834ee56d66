"""Programs that see themselves as root, without being it: fakeroot keeps owners, modes and devices for them.

fakeroot(1) is a preloaded library and a daemon that remembers what each inode should look like. The
command ``fakeroot`` puts its daemon into the background, out of reach of whoever ends the command; here the
daemon stays in the foreground, so that it, and its message queues, end with the block or with this process.
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
    """Yield environment variables; all programs that get them share one view of the files.

    What one program changes of owner, mode, device and attributes the next one sees, until the block ends.
    Programs that are statically linked see the files as they are. CommandError if fakeroot is not there, does
    not start, or is running already.
    """
    daemon = find_tool(_DAEMON)
    if daemon is None:
        raise CommandError(f"the program '{_DAEMON}' is not on this machine", hint="./run host-tools")
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
                # The kernel would refuse it to a user and do it for root; neither is wanted.
                "FAKEROOTDONTTRYCHOWN": "1",
            }
        finally:
            _end(process)


def _preload() -> dict[str, str]:
    """What fakeroot would set for the dynamic linker; it knows where its library lies."""
    # With a daemon that is none: a real one is ended so soon that it may leave its message queues behind.
    words = ["fakeroot-sysv", "--faked", "echo 1:none", "--", "env", "-0"]
    pairs = (name.partition("=") for name in run(words, timeout_s=_START_LIMIT_S).split("\0"))
    return {name: value for name, _, value in pairs if name in _PRELOAD}


def _key(process: "subprocess.Popen[bytes]") -> str:
    """The key of its message queues, from its first line, ``KEY:PID``."""
    out = process.stdout
    if out is None or not select.select([out], [], [], _START_LIMIT_S)[0]:
        raise CommandError(f"{_DAEMON}: has not started after {_START_LIMIT_S:.0f} s")
    key = os.read(out.fileno(), 100).decode(errors="replace").partition(":")[0]
    if not key.isdigit():
        raise CommandError(f"{_DAEMON}: could not start, it gave the key '{key}'")
    return key


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()  # it then removes its message queues
    try:
        process.wait(_END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
