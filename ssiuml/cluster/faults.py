"""Faults of the network that a user has asked for: cuts, delays and losses between pairs of nodes (pure).

A fault holds between two node numbers, in both directions, whether the nodes run or not: a node that is
started again finds the network as it was. ``ssiuml.cluster.network`` puts faults into force.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, Final

from ssiuml.cluster.launch_plan import require_node
from ssiuml.errors import UsageError

MAX_DELAY_MS: Final = 60_000.0
MAX_LOSS_PERCENT: Final = 100.0
TABLE: Final = "ssi"  # of nftables, in the family bridge
_PARTS_OF_A_WHOLE: Final = 1_000_000  # losses are multiples of a millionth

Pair = tuple[int, int]  # the lower number first
Delay = tuple[int, int, float, float]  # sender, receiver, seconds, share of frames that is lost


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to each frame between two nodes."""

    is_cut: bool = False
    delay_ms: float = 0.0
    loss_percent: float = 0.0

    @property
    def is_delayed(self) -> bool:
        """Whether frames are held back. Of two nodes that are cut off from each other none are."""
        return self.delay_ms > 0 and not self.is_cut


Faults = Mapping[Pair, Fault]


def pairs_between(groups: Sequence[Sequence[int]], node_limit: int) -> list[Pair]:
    """Return the pairs of nodes of different *groups*; a single group is paired with all other nodes.

    Raise UsageError if a node occurs twice, or if the cluster cannot have it.
    """
    seen: set[int] = set()
    for node in (node for group in groups for node in group):
        require_node(node, node_limit)
        if node in seen:
            raise UsageError(f"node {node} is named twice", hint="name each node once, in one group")
        seen.add(node)
    sides = [list(group) for group in groups]
    if len(sides) == 1:
        sides.append([node for node in range(1, node_limit + 1) if node not in seen])
    return sorted(
        (min(pair), max(pair)) for one, other in combinations(sides, 2) for pair in product(one, other)
    )


def changed(faults: Faults, change: str, pairs: Iterable[Pair], value: float = 0.0) -> dict[Pair, Fault]:
    """Return *faults* after a *change* between *pairs*: ``cut``, ``delay``, ``loss`` or ``heal``.

    *value* is milliseconds for ``delay`` and percent for ``loss``. ``heal`` removes every fault. Raise
    UsageError if the value is out of range, ValueError if there is no such change.
    """
    result = dict(faults)
    limits = {"delay": MAX_DELAY_MS, "loss": MAX_LOSS_PERCENT}
    if change in limits and not 0 <= value <= limits[change]:
        unit = "ms" if change == "delay" else "%"
        raise UsageError(f"{change}: {value:g} {unit} is not 0 to {limits[change]:g} {unit}")
    for pair in pairs:
        before = result.get(pair, Fault())
        match change:
            case "cut":
                after = replace(before, is_cut=True)
            case "delay":
                after = replace(before, delay_ms=value)
            case "loss":
                after = replace(before, loss_percent=value)
            case "heal":
                after = Fault()
            case _:
                raise ValueError(f"change: {change!r}")
        if after == Fault():
            result.pop(pair, None)
        else:
            result[pair] = after
    return result


def described(faults: Faults) -> list[dict[str, Any]]:
    """Return *faults* as JSON has them, pair by pair."""
    return [
        {
            "nodes": list(pair),
            "cut": fault.is_cut,
            "delay_ms": fault.delay_ms,
            "loss_percent": fault.loss_percent,
        }
        for pair, fault in sorted(faults.items())
    ]


def delays(faults: Faults) -> list[Delay]:
    """Return which frames to hold back, in both directions."""
    return [
        (*ends, fault.delay_ms / 1000, fault.loss_percent / 100)
        for pair, fault in sorted(faults.items())
        if fault.is_delayed
        for ends in (pair, pair[::-1])
    ]


def filter_rules(faults: Faults, port: Mapping[int, str]) -> str:
    """Return the input of nft(8) that puts *faults* into force; *port* has the names of the ports by node.

    It replaces the rules before it, all at once. The bridge drops frames between nodes that are cut off from
    each other, and those that are held back, which another process sends.
    """
    rules = []
    for pair, fault in sorted(faults.items()):
        for sender, receiver in (pair, pair[::-1]):
            ends = f'iifname "{port[sender]}" oifname "{port[receiver]}"'
            lost = round(fault.loss_percent / 100 * _PARTS_OF_A_WHOLE)
            if fault.is_cut or fault.is_delayed or lost == _PARTS_OF_A_WHOLE:
                rules.append(f"{ends} drop")
            elif lost:
                rules.append(f"{ends} numgen random mod {_PARTS_OF_A_WHOLE} < {lost} drop")
    # The first two lines remove the table, whether it exists or not.
    head = f"add table bridge {TABLE}\ndelete table bridge {TABLE}\n"
    if not rules:
        return head
    chain = "".join(f"    {rule}\n" for rule in rules)
    return (
        f"{head}table bridge {TABLE} {{\n  chain forward {{\n"
        f"    type filter hook forward priority 0; policy accept;\n{chain}  }}\n}}\n"
    )
