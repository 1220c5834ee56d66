"""Programs of the host that tests run as judges. A test fails with the output of a program that fails."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from ssiuml.host.run import find_tool

LIMIT_S: Final = 60.0
NOBODY: Final = 65534
AS_NOBODY: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")

UNKNOWN_ID: Final = 12345  # the password database does not know this user


def unshare(*options: str) -> tuple[str, ...]:
    """Return the words that start a program in namespaces of its own.

    Skip the test where these are forbidden, as in some containers and distributions.
    """
    words = ("unshare", *options, "--")
    if said := _refusal(words):
        pytest.skip(f"no namespaces for the user of this test: {said}")
    return words


@cache
def _refusal(words: tuple[str, ...]) -> str:
    """Return what is said if these words cannot start a program, or nothing."""
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=LIMIT_S)
    except OSError as error:
        return str(error)
    return (tried.stderr.strip() or f"status {tried.returncode}") if tried.returncode else ""


def as_user(number: int = UNKNOWN_ID) -> tuple[str, ...]:
    """Return the words that start a program as a user with an owner's rights and no more, without a home.

    Skip the test where no program can be started so.
    """
    return (
        *unshare("--user", f"--map-user={number}", f"--map-group={number}"),
        *("env", "-u", "HOME", "-u", "SSIUML_CACHE", "-u", "XDG_CACHE_HOME", "-u", "XDG_STATE_HOME"),
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
