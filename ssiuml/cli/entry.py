"""What every command begins and ends with: its arguments, its errors, its exit status."""

import argparse
import io
import os
import sys
import textwrap
from collections.abc import Callable, Sequence

from ssiuml.cluster.paths import DEFAULT_CLUSTER, ClusterFolder, cluster_folder
from ssiuml.errors import SsiumlError, UsageError

DONE, FAILED, WRONG_CALL = 0, 1, 2
INTERRUPTED = 130
HELP_COLUMNS = 100


def parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the options that all ssi-* commands have."""
    made = plain_parser(name, description, examples)
    made.add_argument(
        "--cluster",
        metavar="NAME",
        default=DEFAULT_CLUSTER,
        help=f"which cluster; default: {DEFAULT_CLUSTER}",
    )
    return made


def plain_parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser of a command that has nothing to do with a running cluster."""
    return argparse.ArgumentParser(
        prog=name,
        description=textwrap.fill(description, HELP_COLUMNS),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def folder_of(arguments: argparse.Namespace) -> ClusterFolder:
    return cluster_folder(arguments.cluster, os.environ)


def node_number(text: str) -> int:
    """A node number as typed; the upper limit is the image's and checked later."""
    if not (text.isascii() and text.isdigit()) or text.startswith("0") or len(text) > 3:
        raise UsageError(
            f"'{text}' is not a node number", hint="node numbers are 1, 2, 3, … up to the image's limit"
        )
    return int(text)


def node_numbers(texts: Sequence[str]) -> list[int]:
    """Node numbers as typed. UsageError if one is there twice."""
    numbers = [node_number(text) for text in texts]
    for number in numbers:
        if numbers.count(number) > 1:
            raise UsageError(
                f"node {number} is named {numbers.count(number)} times", hint="name each node once"
            )
    return numbers


def call(main: Callable[[Sequence[str]], int]) -> int:
    """Run a command on the process's arguments; print a user's error without a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    try:
        return main(sys.argv[1:])
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL
    except SsiumlError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
