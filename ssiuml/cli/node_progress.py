"""Show how far nodes are: a line for each event that the supervisor reports."""

import sys
from typing import Final

from ssiuml.cli.terminals import Terminals
from ssiuml.cluster.protocol import Values

_PHASES: Final = {
    "started": "started",
    "member": "in the cluster",
    "waiting": "waits for permission to mount: it does not see all other nodes yet",
    "mounted": "root mounted",
    "ready": "ready",
    "leaving": "shut down",
    "unmounted": "root unmounted",
    "left": "left the cluster",
}


class NodeProgress:
    """Prints the supervisor's events to standard error and opens a terminal for each node that starts."""

    def __init__(self, terminals: Terminals | None = None) -> None:
        self._terminals = terminals
        self._last_phase: dict[int, str] = {}

    def __call__(self, event: Values) -> None:
        """Print the line of an event, see ssiuml.cluster.protocol. Print a phase once for each node."""
        if event["event"] == "members":
            return
        node, phase = int(event["node"]), str(event["phase"])
        if event["event"] == "skipped":
            self.say(f"node {node}: skipped, {phase}")
        elif phase == "failed":
            self.say(f"node {node}: FAILED: {event['reason']}")
            if event.get("tail"):
                self.say(f"  the end of its console:\n{event['tail']}")
        elif phase == "ended":
            self.say(f"node {node}: {event['reason']}" if not event["in_order"] else f"node {node}: ended")
        elif phase in _PHASES and self._last_phase.get(node) != phase:
            self._last_phase[node] = phase
            members = f" of nodes {' '.join(map(str, event['members']))}" if phase == "member" else ""
            self.say(f"node {node}: {_PHASES[phase]}{members} ({event['seconds']:.1f} s)")
            if phase == "started" and self._terminals is not None:
                self._terminals.open(node)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
