"""ssi-add: boot more nodes of a running cluster."""

import argparse
import sys
from collections.abc import Sequence

from ssiuml.cli.entry import DONE, FAILED, call, folder_of, node_numbers, parser
from ssiuml.cli.progress import Progress
from ssiuml.cli.terminals import add_terminal_option, terminals_for
from ssiuml.cluster.client import ask


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-add",
        "Boot more nodes of a running cluster; ends when all of them are ready. A node that "
        "is up is skipped.",
        """
ssi-add 4
ssi-add 2 5 6
""",
    )
    made.add_argument("nodes", nargs="+", metavar="N", help="numbers of nodes")
    add_terminal_option(made)
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    folder = folder_of(arguments)
    show = Progress(terminals_for(folder, arguments))
    answer = ask(folder, {"do": "start", "nodes": node_numbers(arguments.nodes)}, show)
    return DONE if answer["ok"] else FAILED


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
