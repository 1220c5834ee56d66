"""state.json: which processes of a cluster run.

The supervisor writes the file. Commands read it and clear up if it is stale, when the supervisor has died.
"""

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.process import ProcessId, boot_id, is_alive, kill_processes, orphans_of
from ssiuml.errors import SsiumlError

SCHEMA: Final = 1
END_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node in the state file."""

    process: ProcessId
    phase: str


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A cluster in the state file."""

    boot: str
    supervisor: ProcessId
    kernel: str  # the program that the nodes' processes run, without symbolic links
    helpers: tuple[ProcessId, ...] = ()  # the switch and the ssh masters
    nodes: dict[int, NodeState] = field(default_factory=dict)

    @property
    def is_current(self) -> bool:
        """Whether the supervisor that wrote the file still lives."""
        return self.boot == boot_id() and is_alive(self.supervisor)


def write_state(folder: ClusterFolder, state: ClusterState) -> None:
    """Replace the state file in one step. No fsync: after a crash of the machine the state is void anyway."""
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "boot": state.boot,
        "supervisor": state.supervisor,
        "kernel": state.kernel,
        "helpers": state.helpers,
        "nodes": {str(n): {"process": node.process, "phase": node.phase} for n, node in state.nodes.items()},
    }
    part = folder.state.with_suffix(".part")
    part.write_text(json.dumps(values) + "\n", encoding="utf-8")
    part.replace(folder.state)


def read_state(folder: ClusterFolder) -> ClusterState | None:
    """Read the state file. Return None if there is none, or if a crash of the machine has damaged it."""
    try:
        values = json.loads(folder.state.read_text(encoding="utf-8"))
        if values["schema"] != SCHEMA:
            return None
        return ClusterState(
            boot=str(values["boot"]),
            supervisor=ProcessId(*values["supervisor"]),
            kernel=str(values["kernel"]),
            helpers=tuple(ProcessId(*one) for one in values["helpers"]),
            nodes={
                int(n): NodeState(ProcessId(*node["process"]), str(node["phase"]))
                for n, node in values["nodes"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def clear_stale(folder: ClusterFolder) -> list[str]:
    """Kill what a dead supervisor has left behind and remove its sockets. Return what was done, in lines.

    Do nothing while the supervisor lives. Kill only processes that are certain to be those of the state file.
    Raise SsiumlError if one does not end.
    """
    state = read_state(folder)
    if state is not None and state.is_current:
        return []
    done = []
    if state is not None and state.nodes:
        folder.crashed.touch(mode=0o600)
    if state is not None and state.boot == boot_id():
        left = [process for process in state.helpers if is_alive(process)]
        for node in state.nodes.values():
            left += [node.process] if is_alive(node.process) else []
            left += orphans_of(node.process, state.kernel)
        left = sorted(set(left))
        remaining = kill_processes(left, END_LIMIT_S)
        if remaining:
            pids = " ".join(str(process.pid) for process in remaining)
            raise SsiumlError(
                f"{folder.path}: processes {pids} of a cluster without supervisor do not end within "
                f"{END_LIMIT_S:.0f} s"
            )
        if left:
            done.append(f"ended {len(left)} processes that it had left behind")
    stale = [
        folder.socket,
        folder.forward_socket,
        folder.switch,
        folder.state,
        *folder.path.glob("ssh-*"),
    ]
    if any(path.exists() for path in stale):
        done.insert(0, f"the supervisor of cluster '{folder.name}' had died; cleared up behind it")
    for path in stale:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return done
