"""Boots a cluster of nodes from images and uses it as a user would. A release needs this test to pass.

It is a program, ``python -m ssiuml.cli.cluster_test FOLDER NODES``, because the end of its process also ends
the cluster. The cluster's folder is made below XDG_STATE_HOME.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cli import start
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cluster.command_lines import killed_with_parent
from ssiuml.cluster.paths import cluster_folder
from ssiuml.errors import SsiumlError
from ssiuml.host.progress import say
from ssiuml.host.run import run as run_program
from ssiuml.images import gfs2_tools

NAME: Final = "test"
LIMIT_S: Final = 600.0
_FILE: Final = "/root/cluster-test"
_TEXT: Final = "written on node 1"


def main(words: Sequence[str]) -> int:
    """Boot NODES nodes of the images in FOLDER. Print a line of JSON: ``nodes``, ``ready_s`` (seconds).

    Node 1 writes a file and the last node reads it; every node has a GFS2 root and its own name; the cluster
    stops in order and fsck.gfs2 finds the root clean. Raise SsiumlError if anything differs, CommandError if
    a command fails. Raise what ssi-start raises.
    """
    folder, count = Path(words[0]), int(words[1])
    options = ["--image", str(folder), "--cluster", NAME, "--no-xterm", "--fresh"]
    status, ready_s = start.start([str(count), *options], killed_with_parent([]))
    if status != DONE:
        return FAILED
    _run("exec", "1", "--", f"echo '{_TEXT}' >{_FILE}")
    _expect(_run("exec", str(count), "--", f"cat {_FILE}"), _TEXT, f"{_FILE} on node {count}")
    for node in range(1, count + 1):
        _expect(_run("exec", str(node), "--", "findmnt -n -o FSTYPE /"), "gfs2", f"the root of node {node}")
        _expect(_run("exec", str(node), "--", "hostname"), f"node{node}", f"the name of node {node}")
    _run("stop")
    gfs2_tools.check_image(cluster_folder(NAME, os.environ).root_fs)
    print(json.dumps({"nodes": count, "ready_s": round(ready_s, 2)}))
    return DONE


def _run(command: str, *words: str) -> str:
    """Run a command of this package on the test's cluster. Return its standard output."""
    argv = [sys.executable, "-m", f"ssiuml.cli.{command}", "--cluster", NAME, *words]
    return run_program(argv, timeout_s=LIMIT_S, merge_stderr=False, on_line=say)


def _expect(output: str, expected: str, what: str) -> None:
    if output.strip() != expected:
        raise SsiumlError(f"{what}: is '{output.strip()}', not '{expected}'")


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
