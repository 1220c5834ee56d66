"""ssi-stop: shut a cluster down in order."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from ssiuml.cli.arguments import chosen_cluster, cluster_command_parser
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cli.node_progress import NodeProgress
from ssiuml.cluster.client import ask
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.process import is_alive
from ssiuml.cluster.protocol import STOP_LIMIT_S, Values
from ssiuml.cluster.state import clear_stale, read_state
from ssiuml.errors import SsiumlError, UsageError

END_LIMIT_S: Final = 30.0
MAX_LIMIT_S: Final = 86_400  # a day
_POLL_S: Final = 0.02


def make_parser() -> argparse.ArgumentParser:
    parser = cluster_command_parser(
        "ssi-stop",
        "Shut a cluster down in order: every node shuts down and leaves the cluster. A node that hangs, or "
        "takes longer than the limit, is killed; the exit status is then 1, and the next start replays the "
        "journals of the root.",
        """
ssi-stop
ssi-stop --cluster test --limit 20
""",
    )
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=float,
        default=STOP_LIMIT_S,
        help=f"kill nodes that still run after this time; default: {STOP_LIMIT_S:.0f}",
    )
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    if not 0 <= arguments.limit <= MAX_LIMIT_S:
        raise UsageError(f"--limit {arguments.limit:g}: is not 0 to {MAX_LIMIT_S} seconds")
    folder = chosen_cluster(arguments)
    started = time.monotonic()
    progress = NodeProgress()
    state = read_state(folder)
    if state is None or not state.is_current:
        remarks = clear_stale(folder) if folder.path.exists() else []
        if not remarks:
            raise UsageError(f"cluster '{folder.name}' does not run", hint="run ssi-start to start it")
        for line in remarks:
            progress.say(line)
        progress.say("the root's journals are replayed at the next start")
        return FAILED
    answer = ask(folder, {"do": "stop", "limit_s": arguments.limit}, progress)
    deadline = time.monotonic() + END_LIMIT_S
    while is_alive(state.supervisor):
        if time.monotonic() > deadline:
            raise SsiumlError(
                f"the supervisor, process {state.supervisor.pid}, has not ended within {END_LIMIT_S:.0f} s",
                hint=f"look into {folder.log}",
            )
        time.sleep(_POLL_S)
    return _report(folder, answer, time.monotonic() - started)


def _report(folder: ClusterFolder, answer: Values, took_s: float) -> int:
    """Print how the cluster ended. Return the exit status."""
    for node, how in answer["failed"].items():
        print(f"node {node} did not end in order: {how}", file=sys.stderr)
    if not answer["is_clean"]:
        print(answer["root"], file=sys.stderr)
    if not answer["ok"]:
        return FAILED
    root = f", {answer['root']}" if answer["root"] and answer["is_clean"] else ""
    clean = ", the root is clean" if answer["is_clean"] else ""
    print(f"cluster '{folder.name}' stopped in {took_s:.1f} s{clean}{root}")
    return DONE


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
