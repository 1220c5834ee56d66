"""Cuts, delays and losses between pairs of nodes. nft(8) reads the rules."""

import subprocess
from ipaddress import IPv4Interface

import pytest

from ssiuml.cluster import faults
from ssiuml.cluster.faults import Fault, changed, pairs_between
from ssiuml.cluster.namespace import bridge_prefix
from ssiuml.cluster.ports import bridge_end
from ssiuml.errors import UsageError

PORTS = {node: bridge_end(node) for node in range(1, 16)}


@pytest.mark.parametrize(
    ("groups", "pairs"),
    [
        ([[1, 2], [3]], [(1, 3), (2, 3)]),
        ([[3], [1], [2]], [(1, 2), (1, 3), (2, 3)]),
        ([[2]], [(1, 2), (2, 3), (2, 4)]),
        ([[1, 2, 3, 4]], []),
    ],
)
def test_a_change_holds_between_nodes_of_different_groups(
    groups: list[list[int]], pairs: list[tuple[int, int]]
) -> None:
    assert pairs_between(groups, 4) == pairs


def test_faults_add_up_until_they_are_healed() -> None:
    late = changed({}, "delay", [(1, 2)], 50)
    lossy = changed(late, "loss", [(1, 2), (1, 3)], 10)
    cut = changed(lossy, "cut", [(1, 2)])
    assert cut == {(1, 2): Fault(True, 50, 10), (1, 3): Fault(loss_percent=10)}
    assert changed(cut, "heal", [(1, 2)]) == {(1, 3): Fault(loss_percent=10)}
    assert changed(changed(late, "delay", [(1, 2)], 0), "heal", [(1, 3)]) == {}


def test_frames_between_nodes_that_are_cut_off_are_not_held_back() -> None:
    late = changed({}, "delay", [(1, 2)], 50)
    assert faults.delays(late) == [(1, 2, 0.05, 0), (2, 1, 0.05, 0)]
    assert faults.delays(changed(late, "cut", [(1, 2)])) == []


@pytest.mark.parametrize(("change", "value"), [("delay", float("nan")), ("loss", float("inf")), ("loss", -1)])
def test_a_value_out_of_range_is_refused(change: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{change}: "):
        changed({}, change, [(1, 2)], value)


def test_nft_takes_the_rules_of_the_largest_cluster_and_replaces_them() -> None:
    pairs = pairs_between([[node] for node in PORTS], 15)
    assert len(pairs) == 105
    worst = changed(changed({}, "loss", pairs, 0.0001), "cut", pairs[:50])
    texts = [faults.filter_rules(one, PORTS) for one in (worst, {}, worst, worst)]
    script = (
        'for text do printf %s "$text" | nft -f - || exit; nft list ruleset | grep -c oifname; done; exit 0'
    )
    done = subprocess.run(
        [*bridge_prefix(IPv4Interface("10.1.2.254/24")), "sh", "-c", script, "sh", *texts],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["210", "0", "210", "210"]
