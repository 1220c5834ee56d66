"""How far nodes are, a line each time."""

import sys

from ssiuml.cli.terminals import Terminals
from ssiuml.cluster.protocol import Values

_WORDS = {
    "started": "started",
    "member": "in the cluster",
    "waiting": "waits for leave to mount: it does not see all nodes that have the root",
    "mounted": "root mounted",
    "ready": "ready",
    "leaving": "shut down",
    "unmounted": "root unmounted",
    "left": "left the cluster",
}


class Progress:
    """Prints events of a supervisor, opens a terminal for each node that starts."""

    def __init__(self, terminals: Terminals | None = None) -> None:
        self.terminals = terminals
        self._said: dict[int, str] = {}
        self.failed: set[int] = set()

    def __call__(self, event: Values) -> None:
        if event["event"] == "members":
            return
        node, phase = int(event["node"]), str(event["phase"])
        if event["event"] == "skipped":
            self.say(f"node {node}: skipped, {phase}")
        elif phase == "failed":
            self.failed.add(node)
            self.say(f"node {node}: FAILED: {event['reason']}")
            if event.get("tail"):
                self.say(f"  the end of its console:\n{event['tail']}")
        elif phase == "ended":
            self.say(f"node {node}: {event['reason']}" if not event["in_order"] else f"node {node}: ended")
        elif phase in _WORDS and self._said.get(node) != phase:
            self._said[node] = phase
            members = f" of nodes {' '.join(map(str, event['members']))}" if phase == "member" else ""
            self.say(f"node {node}: {_WORDS[phase]}{members} ({event['seconds']:.1f} s)")
            if phase == "started" and self.terminals is not None:
                self.terminals.open(node)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
