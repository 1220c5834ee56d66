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

from ssiuml.cli.entry import DONE, FAILED, call, folder_of, node_number, parser
from ssiuml.cluster.client import checked_answer, connect
from ssiuml.cluster.protocol import decode, encode

DETACH = b"\x1d"  # Ctrl-]
_CHUNK = 4096


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-console",
        "Attach to the console of a node. Ctrl-] detaches; the node and its log go on. Exit "
        "status 1 if the node ended.",
        """
ssi-console 1
ssi-console 2 </dev/null         only watch
""",
    )
    made.add_argument("node", metavar="N", help="number of the node")
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    node = node_number(arguments.node)
    with connect(folder_of(arguments)) as stream:
        stream.sendall(encode({"do": "console", "node": node}))
        # One byte at a time: what follows the line are the console's own bytes.
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
    """Every key goes to the node, Ctrl-C too."""
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
    """Pass bytes on in both directions. True when the user detaches, False when the node has ended."""
    inputs = [stream.fileno(), 0]
    while True:
        readable, _, _ = select.select(inputs, [], [])
        if stream.fileno() in readable:
            data = stream.recv(_CHUNK)
            if not data:
                return False
            while data:
                data = data[os.write(1, data) :]
        if 0 in readable:
            data = os.read(0, _CHUNK)
            if not data:
                inputs.remove(0)  # nothing more to type; watch
                continue
            typed, detach, _ = data.partition(DETACH) if is_terminal else (data, b"", b"")
            stream.sendall(typed)
            if detach:
                return True


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
