"""ssi-stop: take a cluster down."""

import argparse
import sys
import time
from collections.abc import Sequence

from ssiuml.cli.entry import DONE, FAILED, call, folder_of, parser
from ssiuml.cli.progress import Progress
from ssiuml.cluster.client import ask
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.process import is_alive
from ssiuml.cluster.protocol import STOP_LIMIT_S, Values
from ssiuml.cluster.state import clear_stale, read_state
from ssiuml.errors import SsiumlError, UsageError

END_LIMIT_S = 30.0
_POLL_S = 0.02


def parser_of() -> argparse.ArgumentParser:
    made = parser(
        "ssi-stop",
        "Take a cluster down in order: every node shuts down and leaves. A node that hangs, "
        "or takes longer than the "
        "limit, is killed; then the exit status is 1 and the root's journals are replayed at the next start.",
        """
ssi-stop
ssi-stop --cluster test --limit 20
""",
    )
    made.add_argument(
        "--limit",
        metavar="SECONDS",
        type=float,
        default=STOP_LIMIT_S,
        help="after which a node that still runs is killed; default: 60",
    )
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    if not 0 <= arguments.limit <= 86400:
        raise UsageError(f"--limit {arguments.limit:g}: is not 0 to 86400 seconds")
    folder = folder_of(arguments)
    started = time.monotonic()
    show = Progress()
    state = read_state(folder)
    if state is None or not state.is_current:
        remarks = clear_stale(folder) if folder.path.exists() else []
        if not remarks:
            raise UsageError(f"cluster '{folder.name}' does not run", hint="Run ssi-start to start it")
        for line in remarks:
            show.say(line)
        show.say("the root's journals are replayed at the next start")
        return FAILED
    answer = ask(folder, {"do": "stop", "limit_s": arguments.limit}, show)
    deadline = time.monotonic() + END_LIMIT_S
    while is_alive(state.supervisor):
        if time.monotonic() > deadline:
            raise SsiumlError(
                f"the supervisor, process {state.supervisor.pid}, has not ended within {END_LIMIT_S:.0f} s",
                hint=f"see {folder.log}",
            )
        time.sleep(_POLL_S)
    return report(folder, answer, time.monotonic() - started)


def report(folder: ClusterFolder, answer: Values, took_s: float) -> int:
    """Say how the cluster ended."""
    for node, how in answer["failed"].items():
        print(f"node {node} did not end in order: {how}", file=sys.stderr)
    if not answer["is_clean"]:
        print(f"the root is not clean, {answer['root']}", file=sys.stderr)
    if not answer["ok"]:
        return FAILED
    said = f", {answer['root']}" if answer["root"] and answer["is_clean"] else ""
    clean = ", the root is clean" if answer["is_clean"] else ""
    print(f"cluster '{folder.name}' stopped in {took_s:.1f} s{clean}{said}")
    return DONE


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
