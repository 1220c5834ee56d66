"""A terminal window for the console of each node that starts, where there is a display."""

import argparse
import os
import subprocess
import sys

from ssiuml.cluster.command_lines import MissingProgramError, find_program
from ssiuml.cluster.paths import ClusterFolder


def add_terminal_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-xterm", action="store_true", help="no terminal windows, also with DISPLAY")


def terminals_for(folder: ClusterFolder, arguments: argparse.Namespace) -> "Terminals | None":
    """Terminals, if there is a display and they are wanted."""
    return Terminals(folder) if os.environ.get("DISPLAY") and not arguments.no_xterm else None


class Terminals:
    """Opens windows. Each shows ssi-console and closes with it: when its node ends or somebody detaches."""

    def __init__(self, folder: ClusterFolder) -> None:
        self._folder = folder
        self._is_missing = False

    def command(self, node: int) -> list[str]:
        name = self._folder.name
        console = [sys.executable, "-m", "ssiuml.cli.console", "--cluster", name, str(node)]
        return [find_program("xterm", "xterm"), "-T", f"{name}: node {node}", "-e", *console]

    def open(self, node: int) -> None:
        """Open the window of a node; without xterm say so, once."""
        if self._is_missing:
            return
        try:
            argv = self.command(node)
        except MissingProgramError as error:
            self._is_missing = True
            print(f"no terminal windows: {error}", file=sys.stderr)
            return
        # It stays when this command has ended.
        window = subprocess.Popen(  # noqa: S603 - an argument list of ours
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        window.returncode = 0  # nobody waits for it; without this, subprocess would complain
