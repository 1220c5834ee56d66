"""Calls of a command's main, as its console script makes them."""

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from ssiuml.cli.exit_status import run_command


@dataclass(frozen=True)
class Outcome:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


def call_command(main: Callable[[Sequence[str]], int], *words: str | Path) -> Outcome:
    """Run a command in this process. The exit of argparse counts as its status."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["command", *map(str, words)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            status = run_command(main)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
    return Outcome(status, out.getvalue(), err.getvalue())
