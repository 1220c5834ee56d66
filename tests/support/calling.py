"""Calls a command's main the way its console script does."""

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
    """How a command ended."""

    status: int
    out: str
    err: str


def outcome(main: Callable[[Sequence[str]], int], *words: str | Path) -> Outcome:
    """Run a command in this process; argparse's own exit counts as its status."""
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
