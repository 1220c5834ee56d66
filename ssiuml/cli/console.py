"""ssi-console: attach to the console of a node."""

import argparse
import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_number
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cluster.client import checked_answer, connect
from ssiuml.cluster.protocol import decode, encode

DETACH: Final = b"\x1d"  # Ctrl-]
_CHUNK_BYTES: Final = 4096


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-console",
        "Attach to the console of a node. Ctrl-] detaches; the node goes on, and so does the log of its "
        "console. If the node ends, the exit status is 1.",
        """
ssi-console 1
ssi-console 2 </dev/null         watch only
""",
    )
    parser.add_argument("node", metavar="N", help="number of the node")
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    node = node_number(arguments.node)
    with connect(chosen_cluster(arguments)) as stream:
        stream.sendall(encode({"do": "console", "node": node}))
        # Read byte by byte: the console's own bytes follow the line of the answer.
        line = b""
        while not line.endswith(b"\n"):
            byte = stream.recv(1)
            if not byte:
                break
            line += byte
        checked_answer(decode(line or b'{"ok": false, "error": "the supervisor ended"}'))
        stream.settimeout(None)
        is_terminal = os.isatty(0)
        if is_terminal:
            print(f"console of node {node}; Ctrl-] detaches", file=sys.stderr)
        with raw_terminal(is_terminal):
            ended = not relay(stream, is_terminal)
    print(f"\nnode {node} ended" if ended else "\ndetached", file=sys.stderr)
    return FAILED if ended else DONE


@contextmanager
def raw_terminal(is_terminal: bool) -> Iterator[None]:
    """Pass every key to the node, Ctrl-C too: set the terminal to raw mode, and back at the end."""
    if not is_terminal:
        yield
        return
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def relay(stream: socket.socket, is_terminal: bool) -> bool:
    """Pass bytes on in both directions. Return True if the user detaches, False if the node ends."""
    inputs = [stream.fileno(), 0]
    while True:
        readable, _, _ = select.select(inputs, [], [])
        if stream.fileno() in readable:
            data = stream.recv(_CHUNK_BYTES)
            if not data:
                return False
            while data:
                data = data[os.write(1, data) :]
        if 0 in readable:
            data = os.read(0, _CHUNK_BYTES)
            if not data:
                inputs.remove(0)  # the input has ended; go on watching
                continue
            typed, detach, _ = data.partition(DETACH) if is_terminal else (data, b"", b"")
            stream.sendall(typed)
            if detach:
                return True


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
