"""ssi-add: boot more nodes of a running cluster."""

import argparse
import sys
from collections.abc import Sequence

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser, node_numbers
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cli.node_progress import NodeProgress
from ssiuml.cli.terminals import add_terminal_option, terminals_for
from ssiuml.cluster.client import ask


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-add",
        "Boot more nodes of a running cluster. The command ends when all of them are ready. Nodes that run "
        "already are skipped.",
        """
ssi-add 4
ssi-add 2 5 6
""",
    )
    parser.add_argument("nodes", nargs="+", metavar="N", help="numbers of the nodes to boot")
    add_terminal_option(parser)
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    folder = chosen_cluster(arguments)
    progress = NodeProgress(terminals_for(folder, arguments))
    answer = ask(folder, {"do": "start", "nodes": node_numbers(arguments.nodes)}, progress)
    return DONE if answer["ok"] else FAILED


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
