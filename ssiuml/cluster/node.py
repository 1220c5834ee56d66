"""A running node as its supervisor sees it: the process, its serial lines, what it has reported."""

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
from ssiuml.cluster.command_lines import without_network_administration
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.process import ProcessId
from ssiuml.cluster.serial_lines import ConsoleLine, ControlLine
from ssiuml.host import uml
from ssiuml.host.run import die_with_parent, kill_group
from ssiuml.host.uml import Machine

log = logging.getLogger(__name__)

END_LIMIT_S: Final = 10.0
PING_LIMIT_S: Final = 1.0
KILL_LIMIT_S: Final = 15.0
_POLL_S: Final = 0.005

_tokens = itertools.count(1)


class Phase(StrEnum):
    """How far a node has come, in the order of its life."""

    STARTED = "started"  # its process runs
    MEMBER = "member"  # it has reported a membership
    WAITING = "waiting"  # it has asked to mount and must wait
    MOUNTING = "mounting"  # it was allowed to mount
    MOUNTED = "mounted"
    READY = "ready"  # it has reached the login
    LEAVING = "leaving"  # the root's system has shut down in order
    UNMOUNTED = "unmounted"
    LEFT = "left"  # it has left the membership in order


class Node:
    """One node, from the start of its process until all its processes have ended."""

    def __init__(self, number: int, folder: ClusterFolder) -> None:
        self.number = number
        self.folder = folder
        self.phase = Phase.STARTED
        self.members: tuple[int, ...] = ()
        self.has_joined = self.has_left = False
        self.holds_root = False
        self.waiting_since: float | None = None
        self.started = time.monotonic()
        self.failure: str | None = None  # what the node reported, or why it was killed
        self.is_killed = False  # messages that are read from now on are ignored
        self.process_id = ProcessId(0, 0)
        self.first_membership = asyncio.Event()  # set when it first reports a membership, or ends
        self.became_ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.ping: tuple[str, asyncio.Event] | None = None  # the ping that has no answer yet
        self.process: asyncio.subprocess.Process | None = None
        self.ssh_master: asyncio.subprocess.Process | None = None
        self.ssh_lock = asyncio.Lock()  # held while ssh_master is started
        self.console: ConsoleLine
        self.control: ControlLine
        self._lines: list[ConsoleLine | ControlLine] = []
        self._held = contextlib.ExitStack()
        self._is_starting = False

    async def start(
        self,
        make_machine: Callable[[int], Machine],
        on_message: "Callable[[Node, Message], None]",
        inherited: tuple[int, ...],
    ) -> None:
        """Start the process and open its lines.

        *make_machine* gets the descriptor of the control line. The process also inherits the descriptors
        *inherited*. Raise what *make_machine* and Machine.prepare raise, and
        OSError if the program cannot be run; the node has ended then.
        """
        self._is_starting = True
        try:
            await self._start(make_machine, on_message, inherited)
        except BaseException:
            self.ended.set()
            await self.close()
            raise
        finally:
            self._is_starting = False
        if self.is_killed:  # meanwhile
            kill_group(self.process_id.pid)

    async def _start(
        self,
        make_machine: Callable[[int], Machine],
        on_message: "Callable[[Node, Message], None]",
        inherited: tuple[int, ...],
    ) -> None:
        loop = asyncio.get_running_loop()
        name = f"node {self.number}"
        pairs = [socket.socketpair() for _ in range(2)]
        theirs = [pair[1] for pair in pairs]
        without_transport = [pair[0] for pair in pairs]
        try:
            machine = make_machine(theirs[1].fileno())
            machine.prepare()
            self.console = ConsoleLine(f"{name}: console", self.folder.console_log(self.number))
            self.control = ControlLine(f"{name}: control line", lambda message: on_message(self, message))
            self._lines = [self.console, self.control]
            for line in self._lines:
                ours = without_transport.pop(0)
                ours.setblocking(False)
                await loop.create_connection(lambda line=line: line, sock=ours)  # type: ignore[misc]
            self.started = time.monotonic()
            # A node that is killed has nothing to clean up, so it gets no time for that.
            launcher = self._held.enter_context(die_with_parent(grace_s=0))
            self.process = await asyncio.create_subprocess_exec(
                *launcher.prefix,
                *without_network_administration(machine.argv),
                cwd=machine.folder,
                stdin=theirs[0].fileno(),
                stdout=theirs[0].fileno(),
                stderr=theirs[0].fileno(),
                pass_fds=(launcher.fd, theirs[1].fileno(), *inherited),
                start_new_session=True,
            )
            self.process_id = process.identify(self.process.pid)
        finally:
            for end in (*theirs, *without_transport):
                end.close()

    @property
    def view(self) -> NodeView:
        """What the arbiter looks at."""
        return NodeView(
            holds_root=self.holds_root,
            members=frozenset(self.members),
            has_joined=self.has_joined and not self.has_left,
        )

    @property
    def seconds(self) -> float:
        """The time since the start of its process."""
        return time.monotonic() - self.started

    def set_membership(self, members: tuple[int, ...]) -> None:
        """Record the membership that the node has reported."""
        self.members = members
        self.has_joined = True
        self.first_membership.set()

    def allow_membership_change(self) -> None:
        """Record that the node was allowed to join, or to leave if it has joined."""
        if self.has_joined:
            self.has_left = True
        self.has_joined = True

    def reset(self) -> None:
        """Forget what the node reported: its kernel has been restarted in the same process.

        ssh would notice only after a minute that its connection leads nowhere.
        """
        self.phase = Phase.STARTED
        self.members = ()
        self.has_joined = self.has_left = False
        self.holds_root = False
        self.waiting_since = None
        self.ping = None
        self._end_ssh()

    def set_became_ready(self, is_ready: bool) -> None:
        """Record that the node is ready, or never will be. Only the first call counts."""
        if not self.became_ready.done():
            self.became_ready.set_result(is_ready)

    def answer_ping(self, message: Message) -> None:
        """Take the node's ``pong``."""
        if self.ping is not None and self.ping[0] == message.token:
            self.ping[1].set()
            self.ping = None

    async def answers_ping(self, limit_s: float) -> bool:
        """Return whether the node's kernel answers a ping within *limit_s* seconds.

        There is only one ping at a time: the line of a node that hangs must not fill up. A node whose process
        does not exist yet does not answer.
        """
        if self.process is None:
            return False
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
        """Kill the process and its children. ``ended`` is set when all of them are dead.

        A node whose process does not exist yet does not get one: it has ended.
        """
        self.failure = self.failure or reason
        self.is_killed = True
        if self.process is not None:
            kill_group(self.process_id.pid)
        elif not self._is_starting:
            self.ended.set()

    async def wait_for_end(self) -> int:
        """Wait until the process has ended, then kill what it left behind. Return the exit status."""
        assert self.process is not None  # noqa: S101 - start was called
        status = await self.process.wait()
        # A User-Mode Linux that dies leaves the processes of its guest behind, and they hold the root open.
        kill_group(self.process_id.pid)
        deadline = time.monotonic() + END_LIMIT_S
        while process.group_members(self.process_id.pid) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        return status

    def _end_ssh(self) -> None:
        if self.ssh_master is not None:
            with contextlib.suppress(ProcessLookupError):
                self.ssh_master.terminate()

    async def close(self) -> None:
        """Close the lines and end ssh. Call this only when the node has no processes."""
        self._held.close()
        for line in self._lines:
            line.close()
        self._end_ssh()
        if self.ssh_master is not None:
            await self.ssh_master.wait()
        self.folder.ssh_control_path(self.number).unlink(missing_ok=True)

    def console_tail(self) -> str:
        """Return the last lines of the console, "" if its log cannot be read."""
        with contextlib.suppress(OSError), self.folder.console_log(self.number).open(errors="replace") as log:
            return uml.console_tail(log)
        return ""

    def describe(self) -> dict[str, Any]:
        """Return what ssi-status shows of the node (see ssiuml.cluster.protocol)."""
        return {
            "phase": str(self.phase),
            "members": list(self.members),
            "mounted": self.phase in (Phase.MOUNTED, Phase.READY, Phase.LEAVING),
            "pid": self.process_id.pid,
            "uptime_s": round(self.seconds, 1),
            "memory_bytes": process.memory_bytes(self.process_id.pid),
        }


async def answering(nodes: Iterable[Node], limit_s: float = PING_LIMIT_S) -> set[int]:
    """Return the numbers of the nodes whose kernels answer a ping within *limit_s* seconds."""
    asked = list(nodes)
    answers = await asyncio.gather(*(node.answers_ping(limit_s) for node in asked))
    return {node.number for node, is_alive in zip(asked, answers, strict=True) if is_alive}


async def kill_all(nodes: Iterable[Node], reason: str) -> bool:
    """Kill nodes, all at the same time. Return whether all of them are dead within KILL_LIMIT_S."""
    nodes = list(nodes)
    for node in nodes:
        node.kill(reason)
    try:
        await asyncio.wait_for(asyncio.gather(*(node.ended.wait() for node in nodes)), KILL_LIMIT_S)
    except TimeoutError:
        log.error("nodes %s do not die", [node.number for node in nodes if not node.ended.is_set()])
        return False
    return True
