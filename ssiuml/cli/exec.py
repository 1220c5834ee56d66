"""ssi-exec: run a command on a node, or on all nodes.

A user waits for every module that is imported before the session begins: heavy ones stay out.
"""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Final

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_number
from ssiuml.cli.exit_status import run_command
from ssiuml.cluster import ssh
from ssiuml.cluster.client import ask
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import UsageError

ANSWER_LIMIT_S: Final = 60.0
CONNECTION_BROKE: Final = 255  # as ssh(1) has it


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-exec",
        "Run a command on a node as root. No network is needed. Standard input, standard output, standard "
        "error and the exit status are the command's; it gets a terminal if you have one. Several words go "
        "to the command unchanged. A single word is a line for the node's shell. Without a command you get a "
        "shell. Exit status 128 + N: signal N ended the command. 255: the connection broke. If ssi-exec is "
        "killed, its command gets SIGHUP.",
        """
ssi-exec 1 -- uname -a
ssi-exec 2 -- 'echo $HOSTNAME >/root/who'
ssi-exec all -- uptime           on every node at once; each line begins with the node's name
ssi-exec 1                       a shell
""",
    )
    parser.add_argument(
        "node", metavar="N|all", help="number of the node, or all for every node that is ready"
    )
    parser.usage = "ssi-exec [-h] [--cluster NAME] N|all [-- COMMAND…]"
    return parser


def main(words: Sequence[str]) -> int:
    before, command = _split(words)
    arguments = make_parser().parse_args(before)
    folder = chosen_cluster(arguments)
    if arguments.node == "all":
        return on_all(folder, command)
    node = node_number(arguments.node)
    require_connection(folder, node)
    is_terminal = os.isatty(0) and os.isatty(1)
    argv = ssh.session_command(folder, node, command, terminal=is_terminal)
    os.chdir(folder.path)
    os.execvp(argv[0], argv)  # noqa: S606 - an argument list of ours


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the words before the first ``--``, and the words after it."""
    if "--" not in words:
        return words, []
    position = list(words).index("--")
    return words[:position], words[position + 1 :]


def require_connection(folder: ClusterFolder, node: int) -> None:
    """Have the supervisor open the ssh connection to a node, unless it is open already.

    Raise UsageError if the node does not run.
    """
    if not ssh.is_connected(folder.ssh_control_path(node)):
        ask(folder, {"do": "connect", "node": node}, limit_s=ANSWER_LIMIT_S)


def on_all(folder: ClusterFolder, command: Sequence[str]) -> int:
    """Run the command on every node that is ready. Return the highest exit status."""
    if not command:
        raise UsageError("all: the command is missing", hint="give one: ssi-exec all -- COMMAND")
    nodes = ask(folder, {"do": "status"}, limit_s=ANSWER_LIMIT_S)["nodes"]
    ready = sorted(int(number) for number, node in nodes.items() if node["phase"] == "ready")
    if not ready:
        raise UsageError("all: no node is ready", hint="run ssi-status to see the nodes")
    statuses: dict[int, int] = {}
    threads = [threading.Thread(target=_on_one, args=(folder, node, command, statuses)) for node in ready]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(statuses.values(), default=1)


def _on_one(folder: ClusterFolder, node: int, command: Sequence[str], statuses: dict[int, int]) -> None:
    statuses[node] = CONNECTION_BROKE
    try:
        require_connection(folder, node)
    except Exception as error:
        print(f"node{node}: {error}", file=sys.stderr)
        return
    process = subprocess.Popen(  # noqa: S603 - an argument list of ours
        ssh.session_command(folder, node, command, terminal=False),
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101 - for the type checker
    errors = threading.Thread(target=_copy_lines, args=(node, process.stderr, sys.stderr.buffer))
    errors.start()
    assert process.stdout is not None  # noqa: S101 - for the type checker
    _copy_lines(node, process.stdout, sys.stdout.buffer)
    errors.join()
    statuses[node] = process.wait()


def _copy_lines(node: int, lines: IO[bytes], target: IO[bytes]) -> None:
    """Copy *lines* to *target*, each with the node's name before it."""
    for line in lines:
        target.write(b"node%d: %s" % (node, line if line.endswith(b"\n") else line + b"\n"))
        target.flush()


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
