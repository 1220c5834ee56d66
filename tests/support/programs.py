"""Programs of the host that tests run as judges. A test fails with the output of a program that fails."""

import os
import subprocess
from pathlib import Path
from typing import Final

from ssiuml.host.run import find_tool

LIMIT_S: Final = 60.0
NOBODY: Final = 65534
AS_NOBODY: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")

# A user with the rights of an owner and no more, whom the password database does not know, without a home.
UNKNOWN_ID: Final = 12345
AS_UNKNOWN: Final = (
    *("unshare", "--user", f"--map-user={UNKNOWN_ID}", f"--map-group={UNKNOWN_ID}", "--", "env"),
    *("-u", "HOME", "-u", "SSIUML_CACHE", "-u", "XDG_CACHE_HOME", "-u", "XDG_STATE_HOME"),
)


def tool(name: str, *words: str | Path, ok: tuple[int, ...] = (0,)) -> str:
    """Run a program, which may lie in /usr/sbin. Return its output, with standard error behind it.

    The test fails unless the exit status is one of *ok*.
    """
    program = find_tool(name)
    assert program is not None, f"{name} is missing"
    result = subprocess.run([program, *words], capture_output=True, check=False)
    output = (result.stdout + result.stderr).decode(errors="backslashreplace")
    assert result.returncode in ok, f"{name}: status {result.returncode}\n{output}"
    return output


def output_of(*words: str | Path, **more: str) -> str:
    """Run a program that must succeed. Return its standard output. *more* is added to the environment."""
    process = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=LIMIT_S, env={**os.environ, **more}
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
