"""ssi-net: cut, delay and lose frames between nodes of a running cluster."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_number
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cli.status import fault_lines
from ssiuml.cluster.client import ask
from ssiuml.errors import UsageError

ANSWER_LIMIT_S: Final = 60.0
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?)%")


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-net",
        "Cut, delay or lose what the nodes of a cluster send to each other, or show what was set. A change "
        "holds between nodes of different groups, in both directions; with one group, between it and all "
        "other nodes. It stays until you heal it, also when nodes are started again.",
        """
ssi-net                          show what is set
ssi-net cut 1,2 3                no frame passes between node 3 and nodes 1 and 2
ssi-net cut 1                    no frame passes between node 1 and all others
ssi-net delay 1 2 3 50ms         each frame takes 50 ms longer
ssi-net loss 1-4 5-8 2.5%        of 1000 frames 25 are lost
ssi-net heal 1 2                 between nodes 1 and 2 all is well again
ssi-net heal                     everywhere
""",
    )
    parser.add_argument(
        "change", nargs="?", choices=("cut", "delay", "loss", "heal"), help="what to do; default: show"
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="NODES",
        help="groups of nodes, such as 1,2 or 1-4; after delay a time follows (50ms, 0 to 60s), after loss a "
        "share in percent",
    )
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    request = {"do": "network", **_request(arguments.change, arguments.words)}
    if arguments.change is None:
        request = {"do": "status"}
    network = ask(chosen_cluster(arguments), request, limit_s=ANSWER_LIMIT_S)["network"]
    lines = fault_lines([] if network is None else network["faults"])
    print("\n".join(lines) or "all nodes reach each other")
    return DONE


def _request(change: str | None, words: list[str]) -> dict[str, Any]:
    """Return the fields of the request. Raise UsageError if a word is wrong or missing."""
    value = 0.0
    if change == "delay":
        value = milliseconds(words.pop() if words else "")
    elif change == "loss":
        value = percent(words.pop() if words else "")
    if change in ("cut", "delay", "loss") and not words:
        raise UsageError(f"{change}: between which nodes?", hint="give groups of nodes, such as 1,2 3")
    return {"change": change, "groups": [node_group(word) for word in words], "value": value}


def node_group(text: str) -> list[int]:
    """Return the nodes of a group such as ``1,2`` or ``1-4,7``. Raise UsageError if it is none."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not dash:
            numbers.append(node_number(part))
            continue
        ends = node_number(first), node_number(last)
        if ends[0] > ends[1]:
            raise UsageError(f"'{part}': begins after its end", hint=f"give {ends[1]}-{ends[0]}")
        numbers += range(ends[0], ends[1] + 1)
    return numbers


def milliseconds(text: str) -> float:
    """Return a time such as ``50ms``. Raise UsageError if it is none."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise UsageError(f"delay: '{text}' is not a time", hint="end with a time, such as 50ms or 1.5s")
    return float(match[1]) * _MILLISECONDS[match[2]]


def percent(text: str) -> float:
    """Return a share such as ``10%``. Raise UsageError if it is none."""
    match = _SHARE.fullmatch(text)
    if match is None:
        raise UsageError(f"loss: '{text}' is not a share", hint="end with a share, such as 10% or 0.5%")
    return float(match[1])


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
