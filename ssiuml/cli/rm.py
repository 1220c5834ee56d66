"""ssi-rm: crash nodes of a running cluster."""

import argparse
import sys
from collections.abc import Sequence

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_numbers
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cli.node_progress import NodeProgress
from ssiuml.cluster.client import ask


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-rm",
        "Crash nodes: kill them without telling the other nodes, which have to detect the loss themselves. "
        "Nodes that do not run are skipped. To shut a node down in order, run ssi-exec N -- poweroff.",
        """
ssi-rm 2
ssi-rm 2 3
""",
    )
    parser.add_argument("nodes", nargs="+", metavar="N", help="numbers of the nodes to crash")
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    request = {"do": "kill", "nodes": node_numbers(arguments.nodes)}
    answer = ask(chosen_cluster(arguments), request, NodeProgress())
    return DONE if answer["ok"] else FAILED


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
