"""ssi-cp: copy files in and out of nodes."""

import argparse
import sys
from collections.abc import Sequence

from ssiuml.cli.entry import DONE, call, folder_of, parser
from ssiuml.cli.exec import enter
from ssiuml.cluster.ssh_copy import copy_in, copy_out, parse_place
from ssiuml.errors import UsageError


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-cp",
        "Copy files and folders between this machine and nodes: N:PATH is PATH on node N "
        "(from /root if it is no "
        "absolute one), all else is here; write ./1:x for a file of that name. What is copied "
        "in belongs to root.",
        """
ssi-cp results.txt 1:/root/
ssi-cp -- program data 2:/tmp
ssi-cp 1:/var/log/syslog 2:/etc/hostname .
""",
    )
    made.add_argument("paths", nargs="+", metavar="PATH", help="what, and at last where to")
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    if len(arguments.paths) < 2:
        raise UsageError("a target is missing", hint="ssi-cp WHAT… WHERE")
    folder = folder_of(arguments)
    *sources, target = [parse_place(path) for path in arguments.paths]
    are_remote = {source.node > 0 for source in sources}
    if are_remote == {target.node > 0} or len(are_remote) > 1:
        raise UsageError(
            "either what is copied or where to must be on a node, not both",
            hint="nodes share their root: between them use ssi-exec N -- cp …",
        )
    for node in {place.node for place in [*sources, target] if place.node}:
        enter(folder, node)
    if target.node:
        copy_in(folder, [source.path for source in sources], target)
    else:
        copy_out(folder, sources, target.path)
    return DONE


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
