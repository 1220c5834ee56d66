"""ssi-rm: crash nodes."""

import argparse
import sys
from collections.abc import Sequence

from ssiuml.cli.entry import DONE, FAILED, call, folder_of, node_numbers, parser
from ssiuml.cli.progress import Progress
from ssiuml.cluster.client import ask


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-rm",
        "Crash nodes: they are killed and nobody is told, the cluster has to notice by itself. "
        "(To shut one down in order: ssi-exec N -- poweroff.) A node that is not up is skipped.",
        """
ssi-rm 2
ssi-rm 2 3
""",
    )
    made.add_argument("nodes", nargs="+", metavar="N", help="numbers of nodes")
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    answer = ask(folder_of(arguments), {"do": "kill", "nodes": node_numbers(arguments.nodes)}, Progress())
    return DONE if answer["ok"] else FAILED


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
