"""Decides which nodes survive a cut, which may join and which may mount.

Pure functions on plain data: no clock, no processes. ``ssiuml.cluster.membership`` carries out the decisions.
The supervisor can decide, since it is the parent of every node and so knows for certain which nodes live.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the supervisor knows of a node whose process runs."""

    # The node has mounted the root, or was allowed to, and has not unmounted it or restarted since.
    holds_root: bool = False
    # The membership that the node itself reported last.
    members: frozenset[int] = frozenset()
    # The node was allowed to start corosync, or reported a membership, and was not allowed to end it since.
    has_joined: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which nodes to kill, and whether the victim is dead then.

    All nodes in ``kill`` must be dead before the node that asked gets an answer.
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
    """Decide what becomes of *victim*, which *asker* wants to fence.

    *members* is the membership of *asker*. *alive* are the running nodes that answer a ping.

    - The victim does not run: it is dead already.
    - The victim was started again and has not seen any node yet: *asker* means the process before, which is
      dead. The new process is not killed while it boots.
    - The victim hangs, or is *asker* itself: it is killed.
    - The victim answers: the interconnect is cut, and one whole side is killed. The side with more nodes that
      hold the root survives, on a tie the side with the lowest node number among them. Afterwards the nodes
      of one side alone hold the root, whichever node asks first.
    """
    if victim not in running:
        return Verdict(frozenset(), True, "it is dead already")
    view = running[victim]
    if victim != asker and not (view.holds_root or view.members or view.has_joined):
        # Started again. A kernel that boots does not answer yet, on a busy host for a long time.
        return Verdict(frozenset(), True, "it is dead already; what runs now has not joined yet")
    if victim == asker or victim not in alive:
        return Verdict(frozenset({victim}), True, "it does not answer")
    if not (view.holds_root or view.members):
        # It may be joining at this moment, but the asker has lost the process before it.
        return Verdict(frozenset(), True, "it is dead already; what runs now has seen no node yet")
    named = (frozenset(members) | {asker}) - {victim}
    ours = frozenset(node for node in named if node in running)
    theirs = frozenset(
        node
        for node, view in running.items()
        # A node that is only starting and does not see the victim is on neither side.
        if node not in ours and (node == victim or view.holds_root or victim in view.members)
    )
    # Nodes that hang do not count for their side, but they are killed with it: they may wake up.
    ours_alive, theirs_alive = ours & frozenset(alive), theirs & frozenset(alive)
    if _strength(ours_alive, running) >= _strength(theirs_alive, running):
        return Verdict(theirs, True, f"cut off from {_names(ours_alive)}, which goes on")
    return Verdict(ours, False, f"cut off from {_names(theirs_alive)}, which goes on")


def _strength(side: frozenset[int], running: Mapping[int, NodeView]) -> tuple[int, int]:
    """Return a key that orders sides; the greater one survives.

    First counts the number of nodes that hold the root, then the lowest number among them, or among all nodes
    of the side if none of them holds it.
    """
    holders = [node for node in side if running[node].holds_root]
    return len(holders), -min(holders or side, default=1 << 30)


def may_change_membership(running: Mapping[int, NodeView]) -> bool:
    """Return whether a node may change the membership now: start corosync, or end it in order.

    If two changes overlap, some members may see a membership in between that others do not see. Then a member
    that holds the root seems to leave and come back; dlm_controld calls that a "stateful merge" and ends the
    node.
    """
    if not any(view.holds_root for view in running.values()):
        return True
    joined = frozenset(node for node, view in running.items() if view.has_joined)
    return all(running[node].members == joined for node in joined)


def is_forming(running: Mapping[int, NodeView]) -> bool:
    """Return whether nodes that start together do not all see each other yet, while no node holds the root.

    Until a node holds the root, memberships may merge in any order. Afterwards nodes join one by one.
    """
    all_nodes = frozenset(running)
    if any(view.holds_root for view in running.values()):
        return False
    return not all(all_nodes <= view.members for view in running.values())


def unseen_root_holders(
    asker: int, members: Iterable[int], running: Mapping[int, NodeView]
) -> frozenset[int]:
    """Return the nodes that hold the root and that *asker* does not see."""
    seen = {*members, asker}
    return frozenset(node for node, view in running.items() if view.holds_root and node not in seen)


def _names(nodes: Iterable[int]) -> str:
    return "node " + ", ".join(map(str, sorted(nodes)))
