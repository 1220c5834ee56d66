"""One running node as the supervisor has it: its process, its lines, what it has said."""

import asyncio
import contextlib
import itertools
import logging
import socket
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final

from ssiuml.cluster import control_line, process
from ssiuml.cluster.arbiter import NodeView
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.process import ProcessId
from ssiuml.cluster.serial_lines import ConsoleLine, ControlLine
from ssiuml.cluster.ssh_mux import SshClient, SshLine
from ssiuml.host import uml
from ssiuml.host.leash import kill_group, leash

log = logging.getLogger(__name__)

END_LIMIT_S: Final = 10.0
PING_LIMIT_S: Final = 1.0
KILL_LIMIT_S: Final = 15.0
_POLL_S: Final = 0.005

_tokens = itertools.count(1)


class Phase(StrEnum):
    """How far a node is, in the order of its life."""

    STARTED = "started"  # its process runs
    MEMBER = "member"  # it sees a membership
    WAITING = "waiting"  # it wants to mount and may not yet
    MOUNTING = "mounting"  # it may
    MOUNTED = "mounted"
    READY = "ready"  # login reached
    LEAVING = "leaving"  # its own world has ended in order
    UNMOUNTED = "unmounted"
    LEFT = "left"


class Node:
    """A node whose process runs, from its start until nothing of it is alive."""

    def __init__(self, number: int, folder: ClusterFolder) -> None:
        self.number = number
        self.folder = folder
        self.phase = Phase.STARTED
        self.members: tuple[int, ...] = ()
        self.has_joined = self.has_left = False
        self.holds_root = False
        self.waiting_since: float | None = None
        self.started = time.monotonic()
        self.failure: str | None = None  # said by the node, or why it was killed
        self.is_killed = False  # killed: what it said before and is read now counts no more
        self.process_id = ProcessId(0, 0)
        self.first_membership = asyncio.Event()  # it has said anything of a membership, or is gone
        self.became_ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.ping: tuple[str, asyncio.Event] | None = None  # the one that is not answered yet
        self.process: asyncio.subprocess.Process | None = None
        self.ssh_master: asyncio.subprocess.Process | None = None  # ssh's
        self.ssh_lock = asyncio.Lock()
        self.console: ConsoleLine
        self.control: ControlLine
        self.ssh_line: SshLine
        self._ssh_server: asyncio.Server | None = None
        # Nothing to clean up for a node that is killed: no time of grace.
        self._held = contextlib.ExitStack()

    async def start(
        self,
        make_command: Callable[[int, int], list[str]],
        on_message: "Callable[[Node, Message], None]",
        inherited: tuple[int, ...],
    ) -> None:
        """Start the process that *make_command* names for the descriptors of door and control line.
        *inherited* are more descriptors that it keeps open.
        """
        loop = asyncio.get_running_loop()
        name = f"node {self.number}"
        pairs = [socket.socketpair() for _ in range(3)]
        theirs = [pair[1] for pair in pairs]
        try:
            argv = make_command(theirs[1].fileno(), theirs[2].fileno())
            self.console = ConsoleLine(f"{name}: console", self.folder.console_log(self.number))
            self.control = ControlLine(f"{name}: control line", lambda message: on_message(self, message))
            self.ssh_line = SshLine(f"{name}: door")
            for line, (ours, _) in zip((self.console, self.ssh_line, self.control), pairs, strict=True):
                ours.setblocking(False)
                await loop.create_connection(lambda line=line: line, sock=ours)  # type: ignore[misc]
            path = self.folder.ssh_socket(self.number)
            path.unlink(missing_ok=True)
            self._ssh_server = await loop.create_unix_server(lambda: SshClient(self.ssh_line), path)
            self.started = time.monotonic()
            held = self._held.enter_context(leash(grace_s=0))
            self.process = await asyncio.create_subprocess_exec(
                *held.prefix,
                *argv,
                stdin=theirs[0].fileno(),
                stdout=theirs[0].fileno(),
                stderr=theirs[0].fileno(),
                pass_fds=(held.fd, theirs[1].fileno(), theirs[2].fileno(), *inherited),
                start_new_session=True,
            )
            self.process_id = process.identify(self.process.pid)
        finally:
            for their in theirs:
                their.close()

    @property
    def view(self) -> NodeView:
        return NodeView(
            holds_root=self.holds_root,
            members=frozenset(self.members),
            has_joined=self.has_joined and not self.has_left,
        )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def set_membership(self, members: tuple[int, ...]) -> None:
        """Take the membership that the node sees."""
        self.members = members
        self.has_joined = True
        self.first_membership.set()

    def allow_membership_change(self) -> None:
        """It may join, or leave if it has joined."""
        if self.has_joined:
            self.has_left = True
        self.has_joined = True

    def reset(self) -> None:
        """It begins a new life in the same process: it has been restarted."""
        self.phase = Phase.STARTED
        self.members = ()
        self.has_joined = self.has_left = False
        self.holds_root = False
        self.waiting_since = None
        self.ping = None
        self.ssh_line.restart()

    def answer_ping(self, message: Message) -> None:
        if self.ping is not None and self.ping[0] == message.token:
            self.ping[1].set()
            self.ping = None

    async def answers_ping(self, limit_s: float) -> bool:
        """Whether its kernel answers within the limit.

        There is one ping at a time: a node that hangs must not find its line full when it wakes up.
        """
        if self.ping is None:
            token = f"p{next(_tokens)}"
            self.ping = token, asyncio.Event()
            self.control.write(control_line.ping(token))
        try:
            await asyncio.wait_for(self.ping[1].wait(), limit_s)
        except TimeoutError:
            return False
        return True

    def kill(self, reason: str) -> None:
        """Kill all its processes; `gone` says when that is done."""
        self.failure = self.failure or reason
        self.is_killed = True
        kill_group(self.process_id.pid)

    async def wait_for_end(self) -> int:
        """Wait until the process has ended, end what it left, and be sure. Return the exit status."""
        assert self.process is not None  # noqa: S101 - start was called
        status = await self.process.wait()
        # A User-Mode Linux that dies leaves its guest's processes, which hold the root open.
        kill_group(self.process_id.pid)
        deadline = time.monotonic() + END_LIMIT_S
        while process.group_members(self.process_id.pid) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        return status

    async def close(self) -> None:
        """Close the lines and end ssh; nothing of the node's process may be alive any more."""
        self._held.close()
        if self._ssh_server is not None:
            self._ssh_server.close()
        for line in (self.console, self.control, self.ssh_line):
            line.close()
        self.folder.ssh_socket(self.number).unlink(missing_ok=True)
        if self.ssh_master is not None:
            with contextlib.suppress(ProcessLookupError):
                self.ssh_master.terminate()
            await self.ssh_master.wait()
        self.folder.ssh_control_path(self.number).unlink(missing_ok=True)

    def tail(self) -> str:
        """The end of its console."""
        with contextlib.suppress(OSError), self.folder.console_log(self.number).open(errors="replace") as log:
            return uml.console_tail(log)
        return ""

    def describe(self) -> dict[str, Any]:
        return {
            "phase": str(self.phase),
            "members": list(self.members),
            "mounted": self.phase in (Phase.MOUNTED, Phase.READY, Phase.LEAVING),
            "pid": self.process_id.pid,
            "uptime_s": round(self.seconds, 1),
            "memory_bytes": process.memory_bytes(self.process_id.pid),
        }


async def answering(nodes: Iterable[Node], limit_s: float = PING_LIMIT_S) -> set[int]:
    """The nodes whose kernels answer a ping within the limit."""
    asked = list(nodes)
    answers = await asyncio.gather(*(node.answers_ping(limit_s) for node in asked))
    return {node.number for node, is_alive in zip(asked, answers, strict=True) if is_alive}


async def kill_all(doomed: Iterable[Node], reason: str) -> bool:
    """Kill nodes, all at once; whether they are dead for certain within the limit."""
    nodes = list(doomed)
    for node in nodes:
        node.kill(reason)
    try:
        await asyncio.wait_for(asyncio.gather(*(node.ended.wait() for node in nodes)), KILL_LIMIT_S)
    except TimeoutError:
        log.error("nodes %s do not die", [node.number for node in nodes if not node.ended.is_set()])
        return False
    return True
