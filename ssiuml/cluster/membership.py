"""What nodes say on their control lines, and what the supervisor answers (cluster-tools/README.md)."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from ssiuml.cluster import arbiter, control_line
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.node import Member, Phase, answering, kill_all
from ssiuml.cluster.running import Running

log = logging.getLogger(__name__)

MOUNT_WAIT_LIMIT_S: Final = 30.0
# A node that has not joined by then does it later, and the others go on without it.
FORMING_LIMIT_S: Final = 150.0


class Admission:
    """The nodes that wait for leave to start corosync, or to end it."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._waiting: list[Member] = []

    def ask(self, member: Member) -> None:
        """Take a node's question; it is answered when the node may join, or leave if it has joined."""
        if member not in self._waiting:
            self._waiting.append(member)
        self.look()

    def look(self) -> None:
        """Answer those whose turn it is; to be called whenever a membership may have settled."""
        for member in list(self._waiting):
            if self._running.members.get(member.number) is not member or member.is_doomed:
                self._waiting.remove(member)
            elif arbiter.may_change_membership(self._running.views()):
                self._waiting.remove(member)
                member.change_membership()
                member.control.write(control_line.GO)
            else:
                return


class Fencing:
    """One verdict after the other: the nodes that one has killed are dead when the next is found."""

    def __init__(self, running: Mapping[int, Member]) -> None:
        self._running = running
        self._lock = asyncio.Lock()

    async def fence(self, asker: Member, message: Message) -> None:
        """Answer a node's `fence`, once everybody who has to go is dead for certain."""
        async with self._lock:
            is_dead = await self._judge(asker, message)
        log.info("node %d: fence %d: %s", asker.number, message.node, "ok" if is_dead else "failed")
        asker.control.write(control_line.fenced(message.token, is_dead=is_dead))

    async def _judge(self, asker: Member, message: Message) -> bool:
        if self._running.get(asker.number) is not asker:
            return False
        alive: set[int] = set()
        if message.node in self._running:
            alive = await answering(list(self._running.values()))
        views = {number: member.view for number, member in self._running.items()}
        verdict = arbiter.judge_fence(asker.number, message.node, message.members, views, alive)
        log.info(
            "node %d (members %s) wants node %d dead; running %s, alive %s: kill %s, %s",
            *(asker.number, message.members, message.node, sorted(views), sorted(alive)),
            *(sorted(verdict.kill), verdict.reason),
        )
        doomed = [self._running[number] for number in verdict.kill if number in self._running]
        are_dead = await kill_all(doomed, f"killed by the supervisor: {verdict.reason}")
        return verdict.victim_dies and are_dead


class Conversation:
    """The supervisor's half of the control lines."""

    def __init__(self, running: Running, fencing: Fencing, admission: Admission) -> None:
        self._running = running
        self._fencing = fencing
        self._admission = admission

    def on_message(self, member: Member, message: Message) -> None:
        """Take what a node said. It never waits."""
        if self._running.members.get(member.number) is not member or member.is_doomed:
            return
        if message.word == "pong":
            member.answer_ping(message)
            return
        text = " ".join(map(str, message.members)) or message.text
        log.info("node %d: %.1f s: %s %s", member.number, member.seconds, message.word, text)
        match message.word:
            case "hello":
                self._on_hello(member, message)
            case "join" | "leave":
                self._admission.ask(member)
            case "members":
                self._on_members(member, message)
                self._admission.look()
            case "mount":
                self._on_mount(member, message)
            case "mounted":
                self._running.reach(member, Phase.MOUNTED)
            case "ready":
                self._running.reach(member, Phase.READY)
                if not member.settled.done():
                    member.settled.set_result(True)
            case "fence":
                self._running.spawn(self._fencing.fence(member, message))
            case "leaving":
                self._running.reach(member, Phase.LEAVING)
            case "unmounted":
                member.holds_root = False
                self._running.reach(member, Phase.UNMOUNTED)
            case "left":
                self._running.reach(member, Phase.LEFT)
            case "failed":
                member.failure = member.failure or message.text

    def _on_hello(self, member: Member, message: Message) -> None:
        if message.node != member.number:
            log.warning("node %d: says that it is node %d", member.number, message.node)
        if member.phase is not Phase.STARTED:
            log.info("node %d: has been restarted", member.number)
            if member.holds_root:
                self._running.crashed()
            member.reset()
            self._running.reach(member, Phase.STARTED)

    def _on_members(self, member: Member, message: Message) -> None:
        member.see(message.members)
        if member.phase is Phase.STARTED:
            self._running.reach(member, Phase.MEMBER)
        elif member.phase is Phase.MOUNTING:
            # It was told that it may, for a membership that has broken since: better none of it.
            unseen = arbiter.strangers(member.number, message.members, self._running.views())
            if unseen:
                member.kill(
                    f"killed: while it mounted it lost sight of {sorted(unseen)}, which have the root mounted"
                )
        else:
            self._running.emit(member, event="members")

    def _on_mount(self, member: Member, message: Message) -> None:
        member.see(message.members)
        views = self._running.views()
        unseen = arbiter.strangers(member.number, message.members, views)
        is_forming = arbiter.is_forming(views) and member.seconds < FORMING_LIMIT_S
        if not unseen and not is_forming:
            member.holds_root = True
            member.waiting_since = None
            self._running.reach(member, Phase.MOUNTING)
            member.control.write(control_line.GO)
            return
        now = time.monotonic()
        member.waiting_since = member.waiting_since or now
        if unseen and now - member.waiting_since > MOUNT_WAIT_LIMIT_S:
            names = " ".join(map(str, sorted(unseen)))
            member.kill(
                f"killed: for {MOUNT_WAIT_LIMIT_S:.0f} s it has not seen nodes {names}, which have the "
                "root mounted"
            )
            return
        self._running.reach(member, Phase.WAITING)
        member.control.write(control_line.WAIT)
