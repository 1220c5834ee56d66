"""ssi-exec: run a command on a node, or on all. The way to a running session is short: little is imported
before it.
"""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from ssiuml.cli.entry import call, folder_of, node_number, parser
from ssiuml.cluster import ssh
from ssiuml.cluster.client import ask
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import UsageError

OPEN_LIMIT_S = 60.0


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-exec",
        "Run a command on a node, as root, without a network: standard input and output and "
        "the exit status are the "
        "command's, and it gets a terminal if there is one. Several words are passed on as "
        "they are, a single one is a "
        "line for the node's shell; without a command it is a shell. 255: the connection broke.",
        """
ssi-exec 1 -- uname -a
ssi-exec 2 -- 'echo $HOSTNAME >/root/who'
ssi-exec all -- uptime           on every node at once, each line with its node
ssi-exec 1                       a shell
""",
    )
    made.add_argument("node", metavar="N|all", help="number of the node, or all")
    made.usage = "ssi-exec [-h] [--cluster NAME] N|all [-- COMMAND…]"
    return made


def main(words: Sequence[str]) -> int:
    before, command = _split(words)
    arguments = parser_of().parse_args(before)
    folder = folder_of(arguments)
    if arguments.node == "all":
        return on_all(folder, command)
    node = node_number(arguments.node)
    enter(folder, node)
    is_terminal = os.isatty(0) and os.isatty(1)
    argv = ssh.session_command(folder, node, command, terminal=is_terminal)
    os.execvp(argv[0], argv)  # noqa: S606 - an argument list of ours


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if "--" not in words:
        return words, []
    position = list(words).index("--")
    return words[:position], words[position + 1 :]


def enter(folder: ClusterFolder, node: int) -> None:
    """Make sure that the door of a node is open. UsageError if the node does not run."""
    if not ssh.is_connected(folder.ssh_control_path(node)):
        ask(folder, {"do": "door", "node": node}, limit_s=OPEN_LIMIT_S)


def on_all(folder: ClusterFolder, command: Sequence[str]) -> int:
    """Run the command on every node that is ready; the highest exit status."""
    if not command:
        raise UsageError("all: a command is missing", hint="ssi-exec all -- COMMAND")
    nodes = ask(folder, {"do": "status"}, limit_s=OPEN_LIMIT_S)["nodes"]
    ready = sorted(int(number) for number, node in nodes.items() if node["phase"] == "ready")
    if not ready:
        raise UsageError("all: no node is ready", hint="ssi-status shows them")
    statuses: dict[int, int] = {}
    threads = [threading.Thread(target=_on_one, args=(folder, node, command, statuses)) for node in ready]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(statuses.values(), default=1)


def _on_one(folder: ClusterFolder, node: int, command: Sequence[str], statuses: dict[int, int]) -> None:
    statuses[node] = 255
    try:
        enter(folder, node)
    except Exception as error:
        print(f"node{node}: {error}", file=sys.stderr)
        return
    process = subprocess.Popen(  # noqa: S603 - an argument list of ours
        ssh.session_command(folder, node, command, terminal=False),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101 - for the type checker
    errors = threading.Thread(target=_copy, args=(node, process.stderr, sys.stderr.buffer))
    errors.start()
    assert process.stdout is not None  # noqa: S101 - for the type checker
    _copy(node, process.stdout, sys.stdout.buffer)
    errors.join()
    statuses[node] = process.wait()


def _copy(node: int, lines: IO[bytes], target: IO[bytes]) -> None:
    for line in lines:
        target.write(b"node%d: %s" % (node, line if line.endswith(b"\n") else line + b"\n"))
        target.flush()


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
