"""ssi-forward: forward ports of this machine's loopback address to nodes."""

import argparse
import errno
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_number
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cluster.client import ask, checked_answer, connect
from ssiuml.cluster.forwarding import HOST, hand_over
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values
from ssiuml.errors import SsiumlError, UsageError

ANSWER_LIMIT_S: Final = 30.0
_MAX_PORT: Final = 65_535
_FORWARD: Final = re.compile(r"([0-9]+):(?:([0-9]+):)?([0-9]+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port to forward. ``node`` is None for the cluster: each node that is ready, in turn."""

    port: int
    node: int | None
    node_port: int


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-forward",
        "Forward ports of this machine to nodes. Only programs on this machine reach them: the address is "
        f"{HOST}. Without a node, connections go to the nodes that are ready, in turn. Without arguments "
        "show the forwarded ports. They are closed when the cluster stops.",
        """
ssi-forward 8080:1:80            port 8080 here is port 80 of node 1
ssi-forward 2222:22              port 2222 here is port 22 of the cluster
ssi-forward --remove 8080
ssi-forward
""",
    )
    parser.add_argument(
        "forwards", nargs="*", metavar="PORT[:N]:PORT", help="port of this machine, node, port of the node"
    )
    parser.add_argument("--remove", metavar="PORT", action="append", default=[], help="close this port")
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    folder = chosen_cluster(arguments)
    wanted = [parse_forward(text) for text in arguments.forwards]
    for text in arguments.remove:
        ask(folder, {"do": "unforward", "port": _port(text, text)}, limit_s=ANSWER_LIMIT_S)
    for one in wanted:
        forward(folder, one)
    if not (wanted or arguments.remove):
        status = ask(folder, {"do": "status"}, limit_s=ANSWER_LIMIT_S)
        for each in status["forwards"]:
            print(describe(each))
    return DONE


def parse_forward(text: str) -> Wanted:
    """Read ``PORT:N:PORT`` or ``PORT:PORT``. Raise UsageError if it is neither, or out of range."""
    match = _FORWARD.fullmatch(text)
    if match is None:
        raise UsageError(
            f"'{text}': is not a port to forward", hint="give PORT:N:PORT, such as 8080:1:80, or PORT:PORT"
        )
    node = None if match[2] is None else node_number(match[2])
    return Wanted(_port(match[1], text), node, _port(match[3], text))


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _MAX_PORT:
        raise UsageError(f"'{whole}': {text} is not a port", hint=f"give a number from 1 to {_MAX_PORT}")
    return int(text)


def forward(folder: ClusterFolder, wanted: Wanted) -> None:
    """Open a port of this machine and hand it over to the supervisor of a cluster.

    Raise UsageError if the port is in use or the node does not run, SsiumlError if the supervisor refuses.
    """
    connect(folder).close()  # says how to start a cluster that does not run
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, wanted.port))
        except OSError as error:
            raise _refused(wanted.port, error) from error
        listening.listen()
        listening.setblocking(False)
        request = {"port": wanted.port, "node": wanted.node, "node_port": wanted.node_port}
        try:
            checked_answer(hand_over(folder.forward_socket, listening, request))
        except OSError as error:
            raise SsiumlError(
                f"port {wanted.port}: the supervisor does not take it: {error}",
                hint=f"look into {folder.log}",
            ) from error
    print(describe(request))


def _refused(port: int, error: OSError) -> SsiumlError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"port {port}: is in use by another program on this machine", hint="give another")
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(
            f"port {port}: this machine lets only root open it", hint="give a port from 1024 to 65535"
        )
    return SsiumlError(f"port {port}: cannot be opened: {error.strerror}")


def describe(forwarded: Values) -> str:
    """Return a forwarded port as a line of text."""
    where = "the cluster" if forwarded["node"] is None else f"node {forwarded['node']}"
    return f"{HOST}:{forwarded['port']} leads to port {forwarded['node_port']} of {where}"


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
