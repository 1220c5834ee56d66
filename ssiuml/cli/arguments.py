"""Arguments that commands share: a parser with examples, the option --cluster, node numbers."""

import argparse
import os
import textwrap
from collections.abc import Sequence
from typing import Final

from ssiuml.cluster.paths import DEFAULT_CLUSTER, ClusterFolder, cluster_folder
from ssiuml.errors import UsageError

HELP_COLUMNS: Final = 100


def command_parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Return the parser of the command *name*; its help ends with *examples*, one a line."""
    return argparse.ArgumentParser(
        prog=name,
        description=textwrap.fill(description, HELP_COLUMNS),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def cluster_command_parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Return the parser of a command that works on one cluster: it also takes --cluster."""
    parser = command_parser(name, description, examples)
    parser.add_argument(
        "--cluster",
        metavar="NAME",
        default=DEFAULT_CLUSTER,
        help=f"name of the cluster; default: {DEFAULT_CLUSTER}",
    )
    return parser


def chosen_cluster(arguments: argparse.Namespace) -> ClusterFolder:
    """Return the folder of the cluster that --cluster names."""
    return cluster_folder(arguments.cluster, os.environ)


def node_number(text: str) -> int:
    """Return the node number that was typed. Raise UsageError if *text* is not a number from 1 to 999.

    Only the image knows how many nodes it has; the supervisor checks that limit.
    """
    if not (text.isascii() and text.isdigit()) or text.startswith("0") or len(text) > 3:
        raise UsageError(
            f"'{text}' is not a node number", hint="give a number from 1 up to the image's number of nodes"
        )
    return int(text)


def node_numbers(texts: Sequence[str]) -> list[int]:
    """Return the node numbers that were typed. Raise UsageError if one is wrong or occurs twice."""
    numbers = [node_number(text) for text in texts]
    for number in numbers:
        if numbers.count(number) > 1:
            raise UsageError(
                f"node {number} is named {numbers.count(number)} times", hint="name each node once"
            )
    return numbers
