"""ssi-cp: copy files in and out of nodes."""

import argparse
import sys
from collections.abc import Sequence

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser
from ssiuml.cli.exec import require_connection
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cluster.ssh_copy import copy_in, copy_out, parse_place
from ssiuml.errors import UsageError


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-cp",
        "Copy files and folders between this machine and nodes. N:PATH is PATH on node N; a relative PATH "
        "begins at /root. Every other PATH is on this machine; write ./1:x for a file here that is called "
        "1:x. On a node the copies belong to root.",
        """
ssi-cp results.txt 1:/root/
ssi-cp -- program data 2:/tmp
ssi-cp 1:/var/log/syslog 2:/etc/hostname .
""",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="one or more sources, then the target")
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    if len(arguments.paths) < 2:
        raise UsageError("the target is missing", hint="give the sources, then the target: ssi-cp PATH… PATH")
    folder = chosen_cluster(arguments)
    *sources, target = [parse_place(path) for path in arguments.paths]
    are_remote = {source.node > 0 for source in sources}
    if are_remote == {target.node > 0} or len(are_remote) > 1:
        raise UsageError(
            "ssi-cp copies from this machine to a node or from nodes to this machine, nothing else",
            hint="run ssi-exec N -- cp … to copy between nodes: they share their root",
        )
    for node in {place.node for place in [*sources, target] if place.node}:
        require_connection(folder, node)
    if target.node:
        copy_in(folder, [source.path for source in sources], target)
    else:
        copy_out(folder, sources, target.path)
    return DONE


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
