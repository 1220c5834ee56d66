"""Terminal windows with the consoles of nodes, where there is a display."""

import argparse
import os
import subprocess
import sys

from ssiuml.cluster.command_lines import MissingProgramError, find_program
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.host.installation import module_command


def add_terminal_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-xterm", action="store_true", help="open no terminal windows, even if DISPLAY is set"
    )


def terminals_for(folder: ClusterFolder, arguments: argparse.Namespace) -> "Terminals | None":
    """Return the terminals of a cluster's nodes, None without a display or with --no-xterm."""
    return Terminals(folder) if os.environ.get("DISPLAY") and not arguments.no_xterm else None


class Terminals:
    """Opens xterm windows. Each runs ssi-console and closes when its node ends or the user detaches."""

    def __init__(self, folder: ClusterFolder) -> None:
        self._folder = folder
        self._is_missing = False

    def command(self, node: int) -> list[str]:
        """Return the command line of a node's window. Raise MissingProgramError without xterm."""
        name = self._folder.name
        console = [*module_command("ssiuml.cli.console"), "--cluster", name, str(node)]
        return [find_program("xterm", "xterm"), "-T", f"{name}: node {node}", "-e", *console]

    def open(self, node: int) -> None:
        """Open the window of a node. If xterm is missing, print that once and open nothing."""
        if self._is_missing:
            return
        try:
            argv = self.command(node)
        except MissingProgramError as error:
            self._is_missing = True
            print(f"no terminal windows: {error}", file=sys.stderr)
            return
        # A session of its own: the window outlives this command.
        window = subprocess.Popen(  # noqa: S603 - an argument list of ours
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Nothing waits for the window. With a status set, subprocess does not warn about that.
        window.returncode = 0
