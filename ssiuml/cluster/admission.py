"""Lets nodes join and leave the membership, one after the other where it matters, in the order of asking."""

from ssiuml.cluster import arbiter, control_line
from ssiuml.cluster.node import Member
from ssiuml.cluster.running import Running


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
