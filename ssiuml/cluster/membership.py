"""The supervisor's side of the control lines: answers what nodes ask and report (cluster-tools/README.md).

Nodes ask for three things: to join or leave the membership, to mount the root, to fence a lost node.
``ssiuml.cluster.arbiter`` decides; this module asks which nodes live, kills and answers.
"""

import asyncio
import logging
import time
from typing import Final

from ssiuml.cluster import arbiter, control_line
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.node import Node, Phase, answering, kill_all
from ssiuml.cluster.running import RunningCluster

log = logging.getLogger(__name__)

MOUNT_WAIT_LIMIT_S: Final = 30.0
# A node that has not joined by then joins later. The others mount without it.
FORMING_LIMIT_S: Final = 150.0


class MembershipQueue:
    """Nodes that have asked to join or leave the membership, in the order in which they asked.

    Once a node holds the root, they join and leave one at a time.
    """

    def __init__(self, running: RunningCluster) -> None:
        self._running = running
        self._waiting: list[Node] = []

    def add(self, node: Node) -> None:
        """Take a node's question. It gets its answer as soon as it may join, or leave if it has joined."""
        if node not in self._waiting:
            self._waiting.append(node)
        self.answer()

    def answer(self) -> None:
        """Answer the nodes that may go on now. Call this whenever all members may have come to agree."""
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
    """Fences nodes, one request at a time: the next is judged when the nodes killed for this one are dead."""

    def __init__(self, running: RunningCluster) -> None:
        self._running = running
        self._lock = asyncio.Lock()

    async def fence(self, asker: Node, message: Message) -> None:
        """Answer a node's ``fence`` when every node that must die is dead for certain."""
        async with self._lock:
            is_dead = await self._judge(asker, message)
        log.info("node %d: fence %d: %s", asker.number, message.node, "ok" if is_dead else "failed")
        asker.control.write(control_line.fenced(message.token, is_dead=is_dead))

    async def _judge(self, asker: Node, message: Message) -> bool:
        """Judge a request and kill the nodes that lose. Return whether the victim is dead then."""
        nodes = self._running.nodes
        if nodes.get(asker.number) is not asker:
            return False
        alive = await answering(nodes.values()) if message.node in nodes else set()
        views = self._running.views()
        verdict = arbiter.judge_fence(asker.number, message.node, message.members, views, alive)
        log.info(
            "node %d (members %s) wants node %d dead; running %s, alive %s: kill %s, %s",
            *(asker.number, message.members, message.node, sorted(views), sorted(alive)),
            *(sorted(verdict.kill), verdict.reason),
        )
        losers = [nodes[number] for number in verdict.kill if number in nodes]
        are_dead = await kill_all(losers, f"killed by the supervisor: {verdict.reason}")
        return verdict.victim_dies and are_dead


class Membership:
    """Follows what the nodes report and answers their questions."""

    def __init__(self, running: RunningCluster) -> None:
        self._running = running
        self._fencing = Fencing(running)
        self._queue = MembershipQueue(running)

    def on_end(self) -> None:
        """Call this when a node has ended: others may join or leave now."""
        self._queue.answer()

    def on_message(self, node: Node, message: Message) -> None:
        """Take a node's message. This never waits."""
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
                self._queue.add(node)
            case "members":
                self._on_members(node, message)
                self._queue.answer()
            case "mount":
                self._on_mount(node, message)
            case "mounted":
                self._running.set_phase(node, Phase.MOUNTED)
            case "ready":
                self._running.set_phase(node, Phase.READY)
                node.set_became_ready(True)
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
            # It was allowed to mount with a membership that has broken since.
            unseen = arbiter.unseen_root_holders(node.number, message.members, self._running.views())
            if unseen:
                node.kill(
                    f"killed: while it mounted, it lost sight of nodes {_names(unseen)}, which have the root "
                    "mounted"
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
            node.kill(
                f"killed: for {MOUNT_WAIT_LIMIT_S:.0f} s it has not seen nodes {_names(unseen)}, which have "
                "the root mounted"
            )
            return
        self._running.set_phase(node, Phase.WAITING)
        node.control.write(control_line.WAIT)


def _names(numbers: frozenset[int]) -> str:
    return " ".join(map(str, sorted(numbers)))
