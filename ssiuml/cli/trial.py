"""A cluster of two nodes, booted from images and used as a user would: what a release rests on.

A program of its own (python -m ssiuml.cli.trial FOLDER NODES), since the cluster is tied to it: the end of
this process also ends the cluster. XDG_STATE_HOME names where the cluster lives meanwhile.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cli import start
from ssiuml.cli.entry import DONE, FAILED, call
from ssiuml.cluster.command_lines import killed_with_parent
from ssiuml.cluster.paths import cluster_folder
from ssiuml.errors import SsiumlError
from ssiuml.host.progress import say
from ssiuml.host.run import run as run_program
from ssiuml.images import gfs2_tools

NAME: Final = "trial"
LIMIT_S: Final = 600.0
_FILE: Final = "/root/ssiuml-trial"
_TEXT: Final = "written on node 1"


class TrialError(SsiumlError):
    """The cluster did something else than it should."""


def main(words: Sequence[str]) -> int:
    """Boot NODES nodes of the images in FOLDER; prints a line of JSON: ``nodes``, ``ready_s`` (seconds).

    A file that one node writes is read on the last, all see a GFS2 root, the cluster is stopped in order and
    fsck.gfs2 finds the root clean. Raises TrialError, CommandError, and what ssi-start raises.
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
    argv = [sys.executable, "-m", f"ssiuml.cli.{command}", "--cluster", NAME, *words]
    return run_program(argv, timeout_s=LIMIT_S, merge_stderr=False, on_line=say)


def _expect(said: str, wanted: str, what: str) -> None:
    if said.strip() != wanted:
        raise TrialError(f"{what}: is '{said.strip()}', not '{wanted}'")


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
