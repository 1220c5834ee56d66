"""The supervisor of a cluster: owns switch and nodes, does what the commands ask for.

It holds everything in one thread and never waits for a node: whatever a node does or does not do, the others
are served.
"""

import asyncio
import logging
import os
import shutil
import time
from typing import Final

from ssiuml.cluster import command_lines, ssh
from ssiuml.cluster.launch_plan import ClusterPlan
from ssiuml.cluster.membership import Admission, Conversation, Fencing
from ssiuml.cluster.memexp import stop_historic
from ssiuml.cluster.node import Member, kill_all
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values
from ssiuml.cluster.root_copy import take_root
from ssiuml.cluster.running import Emit, Running, SupervisorError, until
from ssiuml.cluster.starting import Starting
from ssiuml.cluster.stopping import kill_nodes, stop_cluster
from ssiuml.errors import SsiumlError
from ssiuml.host.leash import kill_group

log = logging.getLogger(__name__)

SWITCH_LIMIT_S: Final = 10.0


class Supervisor:
    """One cluster, from the switch's start to its end."""

    def __init__(self, folder: ClusterFolder, plan: ClusterPlan) -> None:
        self.running = Running(folder, plan)
        self.ended = asyncio.Event()
        admission = Admission(self.running)
        conversation = Conversation(self.running, Fencing(self.running.members), admission)
        self._starting = Starting(self.running, conversation.on_message, admission)
        self._stopping: asyncio.Task[Values] | None = None

    async def begin(self) -> None:
        """Take the root, start the switch."""
        running = self.running
        running.root = take_root(running.plan.root_fs)
        running.write_state()
        argv = command_lines.dying_with_us(command_lines.switch_command(running.folder))
        running.switch = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            # It remarks on every frame to a node that has said nothing yet, and would fill the disk.
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        running.write_state()
        await until(
            lambda: running.folder.switch.exists() or not running.switch_runs,
            time.monotonic() + SWITCH_LIMIT_S,
        )
        if not running.folder.switch.exists():
            raise SupervisorError(
                f"the switch has made no {running.folder.switch} within {SWITCH_LIMIT_S:.0f} s",
                hint="try it by hand: uml_switch -unix /tmp/try.ctl </dev/null",
            )
        running.spawn(self._watch_switch(running.switch))

    async def close(self) -> None:
        """End what still runs, leave nothing behind but the root and the logs."""
        running = self.running
        rest = [*running.members.values(), *([running.lock_server] if running.lock_server else [])]
        await kill_all([one for one in rest if not one.gone.is_set()], "killed: its supervisor ended")
        if running.switch is not None and running.switch.returncode is None:
            kill_group(running.switch.pid)
            await running.switch.wait()
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
        """Start nodes; ends when each is ready or is not going to be."""
        if self._stopping is not None:
            raise SupervisorError("the cluster is being stopped", hint="wait for ssi-stop, then ssi-start")
        return await self._starting.start(numbers, emit)

    async def kill(self, numbers: list[int], emit: Emit) -> Values:
        """Kill nodes as a crash would."""
        return await kill_nodes(self.running, numbers, emit)

    async def stop(self, limit_s: float, emit: Emit) -> Values:
        """Take the cluster down in order; ends with the supervisor's own end."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(limit_s))
        with self.running.listening(emit):
            return await asyncio.shield(self._stopping)

    async def _stop(self, limit_s: float) -> Values:
        try:
            if self.running.plan.has_lock_server:
                return await stop_historic(self.running)
            return await stop_cluster(self.running, limit_s)
        finally:
            self.ended.set()

    async def status(self) -> Values:
        """What runs."""
        running = self.running
        members = dict(running.members)
        nodes = await asyncio.to_thread(lambda: {str(n): one.describe() for n, one in members.items()})
        return {
            "ok": True,
            "cluster": running.folder.name,
            "supervisor": os.getpid(),
            "switch": running.switch_runs,
            "lock_server": None if running.lock_server is None else not running.lock_server.gone.is_set(),
            "image": str(running.plan.image),
            "root_fs": str(running.plan.root_fs),
            "node_limit": running.plan.node_limit,
            "token_ms": running.plan.token_ms,
            "planned_nodes": running.plan.planned_nodes,
            "nodes": nodes,
            "past": {str(number): how for number, how in running.past.items()},
        }

    async def door(self, number: int) -> Values:
        """Make sure that a node can be entered."""
        member = self.running.member(number)
        try:
            await open_door(member)
        finally:
            self.running.write_state()
        return {"ok": True}


log = logging.getLogger(__name__)

OPEN_LIMIT_S: Final = 30.0
# An sshd that gave up on a client just as this one came costs an attempt.
_ATTEMPT_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.01
_RETRY_S: Final = 0.5


class DoorError(SsiumlError):
    """A node cannot be entered."""


async def open_door(member: Member) -> None:
    """Make sure that ssh's master connection stands. DoorError, with what ssh said, if it does not within the
    limit.
    """
    async with member.opening:
        path = member.folder.ssh(member.number)
        deadline = time.monotonic() + OPEN_LIMIT_S
        said = "nothing"
        while not ssh.is_open(path):
            if time.monotonic() > deadline or member.gone.is_set():
                raise DoorError(
                    f"node {member.number} cannot be entered: no connection within {OPEN_LIMIT_S:.0f} s, "
                    f"ssh's last words: {said}",
                    hint=f"ssi-console {member.number} shows what it does",
                )
            said = await _attempt(member, min(deadline, time.monotonic() + _ATTEMPT_LIMIT_S)) or said


async def _attempt(member: Member, deadline: float) -> str:
    """Start ssh and wait until it is through, has ended, or the time is over. Return what it said if it
    failed.
    """
    path = member.folder.ssh(member.number)
    path.unlink(missing_ok=True)
    if member.master is not None and member.master.returncode is None:
        member.master.kill()
        await member.master.wait()
    log_path = member.folder.door(member.number).with_suffix(".log")
    with log_path.open("wb") as errors:
        member.master = await asyncio.create_subprocess_exec(
            *command_lines.dying_with_us(ssh.master_command(member.folder, member.number)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    while member.master.returncode is None and time.monotonic() < deadline and not member.gone.is_set():
        if ssh.is_open(path):
            return ""
        await asyncio.sleep(_POLL_S)
    if member.master.returncode is None:
        member.master.kill()
        await member.master.wait()
    said = log_path.read_text(errors="replace").strip()
    log.warning("node %d: ssh did not come through: %s", member.number, said)
    await asyncio.sleep(_RETRY_S)
    return said
