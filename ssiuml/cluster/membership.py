"""What nodes say on their control lines, and what the supervisor answers (cluster-tools/README.md)."""

import logging
import time
from typing import Final

from ssiuml.cluster import arbiter, control_line
from ssiuml.cluster.admission import Admission
from ssiuml.cluster.control_line import Message
from ssiuml.cluster.fencing import Fencing
from ssiuml.cluster.node import Member, Phase
from ssiuml.cluster.running import Running

log = logging.getLogger(__name__)

MOUNT_WAIT_LIMIT_S: Final = 30.0
# A node that has not joined by then does it later, and the others go on without it.
FORMING_LIMIT_S: Final = 150.0


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
