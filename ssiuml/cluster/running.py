"""What a supervisor knows of its cluster: the nodes that run, how others ended, who listens."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from ssiuml.cluster import arbiter, process, state
from ssiuml.cluster.launch_plan import LaunchPlan
from ssiuml.cluster.node import Node, Phase
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values
from ssiuml.errors import UsageError

log = logging.getLogger(__name__)

_POLL_S: Final = 0.02

Emit = Callable[[Values], None]


class RunningCluster:
    """The nodes of one cluster as its supervisor has them, and everything that has to be told of them."""

    def __init__(self, folder: ClusterFolder, plan: LaunchPlan) -> None:
        self.folder = folder
        self.plan = plan
        self.nodes: dict[int, Node] = {}
        self.past: dict[int, str] = {}  # how nodes that do not run any more have ended
        self.root = -1  # a descriptor; every node inherits it
        self.switch: asyncio.subprocess.Process | None = None
        self.lock_server: Node | None = None  # of a GFS1 root
        self._listeners: set[Emit] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def check_number(self, number: int) -> None:
        """UsageError unless the image has a node of this number."""
        if not 1 <= number <= self.plan.node_limit:
            raise UsageError(
                f"node {number}: is not one of 1 to {self.plan.node_limit}, the nodes of this image"
            )

    def node(self, number: int) -> Node:
        """A running node; UsageError if it is none."""
        self.check_number(number)
        if number not in self.nodes:
            how = f" ({self.past[number]})" if number in self.past else ""
            raise UsageError(
                f"node {number} of cluster '{self.folder.name}' does not run{how}",
                hint=f"ssi-add {number} starts it",
            )
        return self.nodes[number]

    def views(self) -> dict[int, arbiter.NodeView]:
        return {number: node.view for number, node in self.nodes.items()}

    @property
    def switch_runs(self) -> bool:
        return self.switch is not None and self.switch.returncode is None

    def set_phase(self, node: Node, phase: Phase) -> None:
        """Record how far a node is."""
        if node.phase is not phase:
            node.phase = phase
            self.write_state()
            self.emit(node)

    def record_crash(self) -> None:
        """Remember, beyond the supervisor's end, that a node which had the root mounted has crashed."""
        try:
            self.folder.crashed.touch(mode=0o600)
        except OSError as error:  # a full disk ends no cluster
            log.error("%s: cannot be made: %s", self.folder.crashed, error)

    # --- told to commands and to the state file

    def emit(self, node: Node, **more: Any) -> None:
        """Tell every command that listens how far a node is."""
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
        self._listeners.add(emit)
        try:
            yield
        finally:
            self._listeners.discard(emit)

    def write_state(self) -> None:
        helpers = [self.switch, *(node.ssh_master for node in self.nodes.values())]
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
        except OSError as error:  # a full disk ends no cluster
            log.error("%s: cannot be written: %s", self.folder.state, error)

    # --- beside everything else

    def spawn(self, work: Any) -> None:
        """Run beside everything else; what goes wrong is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("internal error", exc_info=task.exception())


async def wait_until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait for a condition until *deadline* (time.monotonic); whether it holds then."""
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
