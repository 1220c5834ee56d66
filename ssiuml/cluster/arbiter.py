"""Who survives, who may join and who may mount.

The supervisor is every node's parent, so it alone knows for certain who lives.
Pure functions on plain data: no clock, no processes. ``ssiuml.cluster.fencing`` applies what they say.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of a node whose process runs."""

    # It has mounted the root, or was told that it may and has not ended since.
    holds_root: bool = False
    # The membership as the node itself saw it last.
    members: frozenset[int] = frozenset()
    # It runs corosync, for all that is known.
    has_joined: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Nodes to kill, all of them before anybody is answered, and what became of the one that was to be
    fenced.
    """

    kill: frozenset[int]
    victim_dies: bool
    reason: str


def judge_fence(
    asker: int,
    victim: int,
    members: Iterable[int],
    running: Mapping[int, NodeView],
    alive: Collection[int],
) -> Verdict:
    """*asker*, whose members are *members*, wants *victim* dead; *alive* are the running nodes that answer.

    A victim that does not run is dead already, and so is the one that is meant where a node has been started
    anew and has not seen anybody yet; one that hangs is killed, but not one that only boots. If it is alive,
    the interconnect is cut, and one side has to go as a whole: that with fewer nodes that hold the root, on a
    tie that without the lowest number of them. So nobody holds the root afterwards but one side, whoever asks
    first.
    """
    if victim not in running:
        return Verdict(frozenset(), True, "it is dead already")
    view = running[victim]
    if victim != asker and not (view.holds_root or view.members or view.has_joined):
        # Started anew; a kernel that boots does not answer yet, on a busy host for long.
        return Verdict(frozenset(), True, "it is dead already; what runs now has not joined yet")
    if victim == asker or victim not in alive:
        return Verdict(frozenset({victim}), True, "it does not answer")
    if not (view.holds_root or view.members):
        # It may be joining at this moment, but whom the asker has lost is somebody before it.
        return Verdict(frozenset(), True, "it is dead already; what runs now has seen nobody yet")
    named = (frozenset(members) | {asker}) - {victim}
    ours = frozenset(node for node in named if node in running)
    theirs = frozenset(
        node
        for node, view in running.items()
        # A node that only starts and is on nobody's side yet is no party to the cut.
        if node not in ours and (node == victim or view.holds_root or victim in view.members)
    )
    # Those that hang do not count, but they go down with their side: they may wake up.
    ours_alive, theirs_alive = ours & frozenset(alive), theirs & frozenset(alive)
    if _strength(ours_alive, running) >= _strength(theirs_alive, running):
        return Verdict(theirs, True, f"cut off from {_names(ours_alive)}, which goes on")
    return Verdict(ours, False, f"cut off from {_names(theirs_alive)}, which goes on")


def _strength(side: frozenset[int], running: Mapping[int, NodeView]) -> tuple[int, int]:
    """Orders sides: more nodes that hold the root, then the lowest number among these (or among all)."""
    holders = [node for node in side if running[node].holds_root]
    return len(holders), -min(holders or side, default=1 << 30)


def may_change_membership(running: Mapping[int, NodeView]) -> bool:
    """Whether a node may start corosync, or end it in order, and so change the membership.

    A change while another one is under way can leave members with different ones in between. Of a node that
    holds the root dlm_controld takes that for a return from the dead, and ends it ("stateful merge").
    """
    if not any(view.holds_root for view in running.values()):
        return True
    joined = frozenset(node for node, view in running.items() if view.has_joined)
    return all(running[node].members == joined for node in joined)


def is_forming(running: Mapping[int, NodeView]) -> bool:
    """Whether nodes that start together have yet to see each other, while nobody holds the root.

    As long as nobody does, memberships may merge as they like; afterwards they join one by one.
    """
    everybody = frozenset(running)
    if any(view.holds_root for view in running.values()):
        return False
    return not all(everybody <= view.members for view in running.values())


def unseen_root_holders(
    asker: int, members: Iterable[int], running: Mapping[int, NodeView]
) -> frozenset[int]:
    """Nodes that hold the root and that *asker* does not see."""
    seen = {*members, asker}
    return frozenset(node for node, view in running.items() if view.holds_root and node not in seen)


def _names(nodes: Iterable[int]) -> str:
    return "node " + ", ".join(map(str, sorted(nodes)))
