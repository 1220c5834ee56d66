"""What nodes say on their control lines, and what the supervisor answers (cluster-tools/README.md)."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from ssiuml.cluster import arbiter, control_line
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.node import Node, Phase, answering, kill_all
from ssiuml.cluster.running import RunningCluster

log = logging.getLogger(__name__)

MOUNT_WAIT_LIMIT_S: Final = 30.0
# A node that has not joined by then does it later, and the others go on without it.
FORMING_LIMIT_S: Final = 150.0


class MembershipQueue:
    """The nodes that wait for leave to start corosync, or to end it."""

    def __init__(self, running: RunningCluster) -> None:
        self._running = running
        self._waiting: list[Node] = []

    def ask(self, node: Node) -> None:
        """Take a node's question; it is answered when the node may join, or leave if it has joined."""
        if node not in self._waiting:
            self._waiting.append(node)
        self.look()

    def look(self) -> None:
        """Answer those whose turn it is; to be called whenever a membership may have became_ready."""
        for node in list(self._waiting):
            if self._running.nodes.get(node.number) is not node or node.is_killed:
                self._waiting.remove(node)
            elif arbiter.may_change_membership(self._running.views()):
                self._waiting.remove(node)
                node.allow_membership_change()
                node.control.write(control_line.GO)
            else:
                return


class Fencing:
    """One verdict after the other: the nodes that one has killed are dead when the next is found."""

    def __init__(self, running: Mapping[int, Node]) -> None:
        self._running = running
        self._lock = asyncio.Lock()

    async def fence(self, asker: Node, message: Message) -> None:
        """Answer a node's `fence`, once everybody who has to go is dead for certain."""
        async with self._lock:
            is_dead = await self._judge(asker, message)
        log.info("node %d: fence %d: %s", asker.number, message.node, "ok" if is_dead else "failed")
        asker.control.write(control_line.fenced(message.token, is_dead=is_dead))

    async def _judge(self, asker: Node, message: Message) -> bool:
        if self._running.get(asker.number) is not asker:
            return False
        alive: set[int] = set()
        if message.node in self._running:
            alive = await answering(list(self._running.values()))
        views = {number: node.view for number, node in self._running.items()}
        verdict = arbiter.judge_fence(asker.number, message.node, message.members, views, alive)
        log.info(
            "node %d (members %s) wants node %d dead; running %s, alive %s: kill %s, %s",
            *(asker.number, message.members, message.node, sorted(views), sorted(alive)),
            *(sorted(verdict.kill), verdict.reason),
        )
        doomed = [self._running[number] for number in verdict.kill if number in self._running]
        are_dead = await kill_all(doomed, f"killed by the supervisor: {verdict.reason}")
        return verdict.victim_dies and are_dead


class Membership:
    """The supervisor's half of the control lines."""

    def __init__(self, running: RunningCluster, fencing: Fencing, admission: MembershipQueue) -> None:
        self._running = running
        self._fencing = fencing
        self._admission = admission

    def on_message(self, node: Node, message: Message) -> None:
        """Take what a node said. It never waits."""
        if self._running.nodes.get(node.number) is not node or node.is_killed:
            return
        if message.word == "pong":
            node.answer_ping(message)
            return
        text = " ".join(map(str, message.members)) or message.text
        log.info("node %d: %.1f s: %s %s", node.number, node.seconds, message.word, text)
        match message.word:
            case "hello":
                self._on_hello(node, message)
            case "join" | "leave":
                self._admission.ask(node)
            case "members":
                self._on_members(node, message)
                self._admission.look()
            case "mount":
                self._on_mount(node, message)
            case "mounted":
                self._running.set_phase(node, Phase.MOUNTED)
            case "ready":
                self._running.set_phase(node, Phase.READY)
                if not node.became_ready.done():
                    node.became_ready.set_result(True)
            case "fence":
                self._running.spawn(self._fencing.fence(node, message))
            case "leaving":
                self._running.set_phase(node, Phase.LEAVING)
            case "unmounted":
                node.holds_root = False
                self._running.set_phase(node, Phase.UNMOUNTED)
            case "left":
                self._running.set_phase(node, Phase.LEFT)
            case "failed":
                node.failure = node.failure or message.text

    def _on_hello(self, node: Node, message: Message) -> None:
        if message.node != node.number:
            log.warning("node %d: says that it is node %d", node.number, message.node)
        if node.phase is not Phase.STARTED:
            log.info("node %d: has been restarted", node.number)
            if node.holds_root:
                self._running.record_crash()
            node.reset()
            self._running.set_phase(node, Phase.STARTED)

    def _on_members(self, node: Node, message: Message) -> None:
        node.set_membership(message.members)
        if node.phase is Phase.STARTED:
            self._running.set_phase(node, Phase.MEMBER)
        elif node.phase is Phase.MOUNTING:
            # It was told that it may, for a membership that has broken since: better none of it.
            unseen = arbiter.unseen_root_holders(node.number, message.members, self._running.views())
            if unseen:
                node.kill(
                    f"killed: while it mounted it lost sight of {sorted(unseen)}, which have the root mounted"
                )
        else:
            self._running.emit(node, event="members")

    def _on_mount(self, node: Node, message: Message) -> None:
        node.set_membership(message.members)
        views = self._running.views()
        unseen = arbiter.unseen_root_holders(node.number, message.members, views)
        is_forming = arbiter.is_forming(views) and node.seconds < FORMING_LIMIT_S
        if not unseen and not is_forming:
            node.holds_root = True
            node.waiting_since = None
            self._running.set_phase(node, Phase.MOUNTING)
            node.control.write(control_line.GO)
            return
        now = time.monotonic()
        node.waiting_since = node.waiting_since or now
        if unseen and now - node.waiting_since > MOUNT_WAIT_LIMIT_S:
            names = " ".join(map(str, sorted(unseen)))
            node.kill(
                f"killed: for {MOUNT_WAIT_LIMIT_S:.0f} s it has not seen nodes {names}, which have the "
                "root mounted"
            )
            return
        self._running.set_phase(node, Phase.WAITING)
        node.control.write(control_line.WAIT)
