"""The state of a running cluster in its supervisor: nodes, how others ended, commands that get events."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from ssiuml.cluster import arbiter, process, state
from ssiuml.cluster.launch_plan import LaunchPlan, require_node
from ssiuml.cluster.network import Network
from ssiuml.cluster.node import Node, Phase
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values
from ssiuml.errors import UsageError

log = logging.getLogger(__name__)

_POLL_S: Final = 0.02

Emit = Callable[[Values], None]


class RunningCluster:
    """One cluster: its nodes, and the reports about them to commands and to the state file."""

    def __init__(self, folder: ClusterFolder, plan: LaunchPlan) -> None:
        self.folder = folder
        self.plan = plan
        self.nodes: dict[int, Node] = {}
        self.past: dict[int, str] = {}  # how each node that does not run any more has ended
        self.root = -1  # descriptor of the locked root, -1 if not open; every node inherits it
        self.switch: asyncio.subprocess.Process | None = None  # of nodes of Linux 2.4
        self.network: Network | None = None if plan.has_lock_server else Network(plan.node_limit)
        self.lock_server: Node | None = None  # of a GFS1 root
        self._listeners: set[Emit] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def check_number(self, number: int) -> None:
        """Raise UsageError if the image has no node with this number."""
        require_node(number, self.plan.node_limit)

    def node(self, number: int) -> Node:
        """Return a running node. Raise UsageError if it does not run or the image does not have it."""
        self.check_number(number)
        if number not in self.nodes:
            how = f" ({self.past[number]})" if number in self.past else ""
            raise UsageError(
                f"node {number} of cluster '{self.folder.name}' does not run{how}",
                hint=f"run ssi-add {number} to start it",
            )
        return self.nodes[number]

    def views(self) -> dict[int, arbiter.NodeView]:
        """Return what the arbiter looks at, for all nodes that run."""
        return {number: node.view for number, node in self.nodes.items()}

    @property
    def switch_runs(self) -> bool | None:
        """Whether the switch of a cluster of Linux 2.4 runs; None: nodes of today have a bridge."""
        return None if self.network else self.switch is not None and self.switch.returncode is None

    def set_phase(self, node: Node, phase: Phase) -> None:
        """Record how far a node has come. Tell the state file and the commands if that is new."""
        if node.phase is not phase:
            node.phase = phase
            self.write_state()
            self.emit(node)

    def record_crash(self) -> None:
        """Record on disk that a node crashed while it had the root mounted; ssi-stop then checks the root."""
        try:
            self.folder.crashed.touch(mode=0o600)
        except OSError as error:  # a full disk must not end the cluster
            log.error("%s: cannot be made: %s", self.folder.crashed, error)

    # --- reports to commands and to the state file

    def emit(self, node: Node, **more: Any) -> None:
        """Send an event about a node to every command that listens. *more* are further fields of it."""
        values = {
            "event": "node",
            "node": node.number,
            "phase": str(node.phase),
            "members": list(node.members),
            "seconds": round(node.seconds, 2),
            **more,
        }
        for listener in list(self._listeners):
            listener(values)

    @contextlib.contextmanager
    def listening(self, emit: Emit) -> Iterator[None]:
        """Send all events to *emit* until the block ends."""
        self._listeners.add(emit)
        try:
            yield
        finally:
            self._listeners.discard(emit)

    def write_state(self) -> None:
        """Write the state file. An error is only logged."""
        network = self.network.helpers if self.network else []
        helpers = [self.switch, *network, *(node.ssh_master for node in self.nodes.values())]
        current = state.ClusterState(
            boot=process.boot_id(),
            supervisor=process.identify(os.getpid()),
            kernel=str(self.plan.kernel.resolve()),
            helpers=tuple(process.identify(one.pid) for one in helpers if one is not None),
            nodes={
                number: state.NodeState(node.process_id, str(node.phase))
                for number, node in self.nodes.items()
            },
        )
        try:
            state.write_state(self.folder, current)
        except OSError as error:  # a full disk must not end the cluster
            log.error("%s: cannot be written: %s", self.folder.state, error)

    # --- tasks

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a task. An exception in it is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("internal error", exc_info=task.exception())


async def wait_until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until a condition holds, at most until *deadline* (time.monotonic). Return whether it holds."""
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
