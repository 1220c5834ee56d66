"""The supervisor of a cluster: owns the network and the nodes, and carries out the requests of the commands.

It runs in one thread and never blocks on a node: if one node hangs, the others are still served.
"""

import asyncio
import logging
import os
import shutil
import socket
import time
from typing import Final

from ssiuml.cluster import command_lines, faults, ssh, uplink
from ssiuml.cluster.forwarding import Forwards
from ssiuml.cluster.launch_plan import LaunchPlan
from ssiuml.cluster.membership import Membership
from ssiuml.cluster.memexp import stop_historic_cluster
from ssiuml.cluster.node import Node, Phase, kill_all
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.ports import BRIDGE
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.root_copy import lock_root
from ssiuml.cluster.running import Emit, RunningCluster, wait_until
from ssiuml.cluster.starting import NodeStarter
from ssiuml.cluster.stopping import kill_nodes, stop_cluster
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host.run import kill_group

log = logging.getLogger(__name__)

SWITCH_LIMIT_S: Final = 10.0
OPEN_LIMIT_S: Final = 30.0
_ATTEMPT_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.01
_RETRY_S: Final = 0.1  # a node that has just become ready does not listen yet


class Supervisor:
    """One cluster, from the start of its supervisor to its end."""

    def __init__(self, folder: ClusterFolder, plan: LaunchPlan) -> None:
        self.running = RunningCluster(folder, plan)
        self.ended = asyncio.Event()
        self._starter = NodeStarter(self.running, Membership(self.running))
        self.forwards = Forwards(folder.forward_socket, self._addresses)
        self._stopping: asyncio.Task[Values] | None = None

    async def begin(self) -> None:
        """Lock the root. Find the bridge, or start the switch of nodes of Linux 2.4.

        Raise SsiumlError if the root is in use, or there is no bridge, or the switch does not start.
        """
        running = self.running
        running.root = lock_root(running.plan.root_fs)
        running.write_state()
        if running.plan.has_lock_server:
            await self._start_switch()
        elif BRIDGE not in {name for _, name in socket.if_nameindex()}:
            raise SsiumlError(
                f"there is no bridge {BRIDGE} in the supervisor's network namespace",
                hint="run ssi-start, which makes it",
            )

    async def _start_switch(self) -> None:
        running = self.running
        argv = command_lines.killed_with_parent(command_lines.switch_command(running.folder))
        running.switch = await asyncio.create_subprocess_exec(
            *argv,
            cwd=running.folder.path,
            stdin=asyncio.subprocess.DEVNULL,
            # It prints a line for every frame to a node that has sent none yet. That would fill the disk.
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        running.write_state()
        await wait_until(
            lambda: running.folder.switch.exists() or running.switch_runs is False,
            time.monotonic() + SWITCH_LIMIT_S,
        )
        if not running.folder.switch.exists():
            raise SsiumlError(
                f"{running.folder.switch}: the switch has not made this socket within {SWITCH_LIMIT_S:.0f} s",
                hint="try it by hand: uml_switch -unix /tmp/try.ctl </dev/null",
            )
        running.spawn(self._watch_switch(running.switch))

    async def close(self) -> None:
        """End what still runs and remove its files. The root, the keys and the logs stay."""
        await self.forwards.close()
        running = self.running
        rest = [*running.nodes.values(), *([running.lock_server] if running.lock_server else [])]
        await kill_all([one for one in rest if not one.ended.is_set()], "killed: its supervisor ended")
        if running.switch is not None and running.switch.returncode is None:
            kill_group(running.switch.pid)
            await running.switch.wait()
        if running.network is not None:
            await running.network.close()
        folder = running.folder
        for path in (folder.switch, folder.socket, folder.state):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder.uml, ignore_errors=True)
        if running.root >= 0:
            os.close(running.root)

    async def _watch_switch(self, switch: asyncio.subprocess.Process) -> None:
        await switch.wait()
        if not self.ended.is_set():
            log.error("the switch has ended: the nodes do not see each other any more")

    # --- requests

    async def start(self, numbers: list[int], emit: Emit) -> Values:
        """Start nodes. Return when each of them is ready or has failed."""
        if self._stopping is not None:
            raise SsiumlError("the cluster is being stopped", hint="wait for ssi-stop, then run ssi-start")
        return await self._starter.start(numbers, emit)

    async def kill(self, numbers: list[int], emit: Emit) -> Values:
        """Kill nodes as a crash would. Return when they are dead."""
        return await kill_nodes(self.running, numbers, emit)

    async def stop(self, limit_s: float, emit: Emit) -> Values:
        """Shut the cluster down in order. Afterwards the supervisor ends."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(limit_s))
        with self.running.listening(emit):
            return await asyncio.shield(self._stopping)

    async def _stop(self, limit_s: float) -> Values:
        try:
            if self.running.plan.has_lock_server:
                return await stop_historic_cluster(self.running)
            return await stop_cluster(self.running, limit_s)
        finally:
            self.ended.set()

    async def status(self) -> Values:
        """Return the state of the switch, of the nodes that run, and how others have ended."""
        running = self.running
        running_nodes = dict(running.nodes)
        nodes = await asyncio.to_thread(lambda: {str(n): one.describe() for n, one in running_nodes.items()})
        return {
            "ok": True,
            "cluster": running.folder.name,
            "supervisor": os.getpid(),
            "switch": running.switch_runs,
            "network": self._describe_network(),
            "lock_server": None if running.lock_server is None else not running.lock_server.ended.is_set(),
            "image": str(running.plan.image),
            "root_fs": str(running.plan.root_fs),
            "node_limit": running.plan.node_limit,
            "token_ms": running.plan.token_ms,
            "planned_nodes": running.plan.planned_nodes,
            "nodes": nodes,
            "past": {str(number): how for number, how in running.past.items()},
            "forwards": self.forwards.describe(),
        }

    async def change_network(self, change: str, groups: list[list[int]], value: float) -> Values:
        """Cut, delay, lose or heal between nodes (see ssiuml.cluster.faults). Return the network's state."""
        network = self.running.network
        if network is None:
            raise UsageError(
                "this network is that of a uml_switch, which has no faults to set",
                hint="use an image with a Linux of today",
            )
        try:
            await network.change(change, groups, value)
        finally:
            self.running.write_state()
        log.info("network: %s %s %g", change, groups or "all", value)
        return {"ok": True, "network": self._describe_network()}

    def _describe_network(self) -> Values | None:
        running = self.running
        if running.network is None:
            return None
        return {
            "address": str(running.plan.supervisor_address.ip),
            "faults": faults.described(running.network.faults),
        }

    async def attach_uplink(self) -> None:
        """Take the way out, which ssi-start has made, into the network of the nodes."""
        if self.running.network is None:
            raise UsageError("nodes of Linux 2.4 have no bridge, so no way out", hint="leave --internet out")
        await self.running.network.attach(uplink.INTERFACE)

    def _addresses(self, node: int | None) -> list[str]:
        """Return the address of *node*, or for None those of all that are ready.

        Raise UsageError if the image does not have the node.
        """
        running = self.running
        if node is not None:
            running.check_number(node)
        ready = [number for number, one in sorted(running.nodes.items()) if one.phase is Phase.READY]
        return [str(running.plan.address_of(number).ip) for number in (ready if node is None else [node])]

    async def open_ssh(self, number: int) -> None:
        """Open the ssh connection to a node, unless it is open."""
        node = self.running.node(number)
        try:
            await _open_ssh(node, str(self.running.plan.address_of(number).ip))
        finally:
            self.running.write_state()


async def _open_ssh(node: Node, address: str) -> None:
    """Open ssh's master connection to a node, unless it is open.

    Raise SsiumlError, with what ssh said, if it is not open within OPEN_LIMIT_S.
    """
    async with node.ssh_lock:
        path = node.folder.ssh_control_path(node.number)
        deadline = time.monotonic() + OPEN_LIMIT_S
        said = "nothing"
        while not ssh.is_connected(path):
            if time.monotonic() > deadline or node.ended.is_set():
                raise SsiumlError(
                    f"node {node.number} cannot be entered: no connection within {OPEN_LIMIT_S:.0f} s; "
                    f"ssh said: {said}",
                    hint=f"run ssi-console {node.number} to see what it does",
                )
            said = await _attempt(node, address, min(deadline, time.monotonic() + _ATTEMPT_LIMIT_S)) or said


async def _attempt(node: Node, address: str, deadline: float) -> str:
    """Start ssh and wait until it is connected, has ended, or *deadline* (time.monotonic) is over.

    Return what ssh said if it is not connected, else "".
    """
    path = node.folder.ssh_control_path(node.number)
    path.unlink(missing_ok=True)
    if node.ssh_master is not None and node.ssh_master.returncode is None:
        node.ssh_master.kill()
        await node.ssh_master.wait()
    log_path = node.folder.ssh_log(node.number)
    with log_path.open("wb") as errors:
        node.ssh_master = await asyncio.create_subprocess_exec(
            *command_lines.killed_with_parent(ssh.master_command(node.folder, node.number, address)),
            cwd=node.folder.path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    while node.ssh_master.returncode is None and time.monotonic() < deadline and not node.ended.is_set():
        if ssh.is_connected(path):
            return ""
        await asyncio.sleep(_POLL_S)
    if node.ssh_master.returncode is None:
        node.ssh_master.kill()
        await node.ssh_master.wait()
    said = log_path.read_text(errors="replace").strip()
    log.warning("node %d: ssh did not connect: %s", node.number, said)
    await asyncio.sleep(_RETRY_S)
    return said
