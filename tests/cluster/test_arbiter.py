"""Which nodes survive and which may mount, for all small clusters, cuts and hangs."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.cluster.arbiter import (
    NodeView,
    is_forming,
    judge_fence,
    may_change_membership,
    unseen_root_holders,
)

HOLDS = NodeView(holds_root=True)
STARTS = NodeView()


def subsets(items: tuple[int, ...]) -> Iterator[frozenset[int]]:
    for size in range(len(items) + 1):
        for chosen in itertools.combinations(items, size):
            yield frozenset(chosen)


def cuts(limit: int) -> Iterator[tuple[frozenset[int], frozenset[int], frozenset[int], frozenset[int]]]:
    """Yield both sides of each cut of up to *limit* nodes, the nodes that hold the root, those that hang."""
    for count in range(2, limit + 1):
        nodes = tuple(range(1, count + 1))
        for left in subsets(nodes):
            right = frozenset(nodes) - left
            if left and right:
                for holders in subsets(nodes):
                    for hung in subsets(nodes):
                        yield left, right, holders, hung


def views(
    nodes: frozenset[int], sides: tuple[frozenset[int], ...], holders: frozenset[int]
) -> dict[int, NodeView]:
    return {
        node: NodeView(holds_root=node in holders, members=next(side for side in sides if node in side))
        for node in nodes
    }


def test_a_node_that_does_not_run_is_dead_already_and_no_node_is_killed() -> None:
    verdict = judge_fence(1, 2, [1, 3], {1: HOLDS, 3: HOLDS}, {1, 3})
    assert (verdict.kill, verdict.victim_dies) == (frozenset(), True)


def test_a_restarted_node_is_not_killed_for_the_process_before_it() -> None:
    started = NodeView()
    verdict = judge_fence(1, 2, [1, 3], {1: HOLDS, 2: started, 3: HOLDS}, {1, 2, 3})
    assert (verdict.kill, verdict.victim_dies) == (frozenset(), True)
    # Not while its kernel boots and answers no ping, either.
    verdict = judge_fence(1, 2, [1, 3], {1: HOLDS, 2: started, 3: HOLDS}, {1, 3})
    assert (verdict.kill, verdict.victim_dies) == (frozenset(), True)
    joining = NodeView(has_joined=True)
    assert judge_fence(1, 2, [1, 3], {1: HOLDS, 2: joining, 3: HOLDS}, {1, 2, 3}).kill == frozenset()
    assert judge_fence(1, 2, [1, 3], {1: HOLDS, 2: joining, 3: HOLDS}, {1, 3}).kill == {2}
    member = NodeView(has_joined=True, members=frozenset({2}))
    assert judge_fence(1, 2, [1, 3], {1: HOLDS, 2: member, 3: HOLDS}, {1, 2, 3}).kill == {2}


def test_a_node_that_hangs_is_killed_and_no_other_node() -> None:
    running = {1: HOLDS, 2: HOLDS, 3: HOLDS}
    verdict = judge_fence(1, 2, [1, 3], running, {1, 3})
    assert (verdict.kill, verdict.victim_dies) == (frozenset({2}), True)


def test_a_hung_node_dies_even_if_its_side_had_the_majority() -> None:
    running = {1: HOLDS, 2: HOLDS, 3: HOLDS}
    assert judge_fence(3, 1, [3], running, {2, 3}).kill == {1}


@pytest.mark.parametrize(
    ("asker", "victim", "members", "killed", "victim_dies"),
    [
        (1, 2, [1], {1}, False),  # {1} against {2, 3}: more nodes
        (2, 1, [2, 3], {1}, True),
        (3, 1, [2, 3], {1}, True),
    ],
)
def test_of_three_nodes_the_side_of_two_survives_whichever_node_asks(
    asker: int, victim: int, members: list[int], killed: set[int], victim_dies: bool
) -> None:
    sides = (frozenset({1}), frozenset({2, 3}))
    running = views(frozenset({1, 2, 3}), sides, frozenset({1, 2, 3}))
    verdict = judge_fence(asker, victim, members, running, {1, 2, 3})
    assert (set(verdict.kill), verdict.victim_dies) == (killed, victim_dies)


@pytest.mark.parametrize(("asker", "victim", "members"), [(2, 1, [2, 3]), (3, 4, [2, 3]), (1, 2, [1, 4])])
def test_on_a_tie_the_side_with_the_lowest_number_survives(
    asker: int, victim: int, members: list[int]
) -> None:
    sides = (frozenset({1, 4}), frozenset({2, 3}))
    running = views(frozenset({1, 2, 3, 4}), sides, frozenset({1, 2, 3, 4}))
    assert judge_fence(asker, victim, members, running, {1, 2, 3, 4}).kill == {2, 3}


def test_nodes_that_have_not_mounted_do_not_count() -> None:
    sides = (frozenset({2}), frozenset({1, 3, 4}))
    running = views(frozenset({1, 2, 3, 4}), sides, frozenset({2}))
    assert judge_fence(1, 2, [1, 3, 4], running, {1, 2, 3, 4}).kill == {1, 3, 4}


def test_a_node_that_only_starts_is_not_killed_with_a_side_it_is_not_on() -> None:
    sides = (frozenset({1}), frozenset({2}))
    running = {**views(frozenset({1, 2}), sides, frozenset({1, 2})), 3: STARTS}
    assert judge_fence(1, 2, [1], running, {1, 2, 3}).kill == {2}


def test_a_node_that_fences_itself_is_killed() -> None:
    assert judge_fence(1, 1, [], {1: HOLDS, 2: HOLDS}, {1, 2}).kill == {1}


def test_after_any_cut_one_side_alone_holds_the_root_whichever_node_fences_which() -> None:
    """All cuts of up to five nodes in two, all holders, all hung nodes."""
    for left, right, holders, hung in cuts(5):
        nodes = left | right
        running = views(nodes, (left, right), holders)
        alive = nodes - hung
        for asker in left & holders & alive:
            for victim in right & alive:
                verdict = judge_fence(asker, victim, left, running, alive)
                assert victim in verdict.kill or not verdict.victim_dies
                rest = (nodes - verdict.kill) & holders
                # One whole side is dead, with its hung nodes that could wake up; the other is untouched.
                assert rest in (left & holders, right & holders), (left, right, holders, hung, asker, victim)
                if verdict.victim_dies:
                    assert asker not in verdict.kill


def test_both_sides_of_a_cut_get_the_same_survivor_whichever_asks_first() -> None:
    for left, right, holders, hung in cuts(5):
        nodes = left | right
        alive = nodes - hung
        running = views(nodes, (left, right), holders)
        survivors = set()
        for ours, theirs in ((left, right), (right, left)):
            for asker in ours & alive & holders:
                for victim in theirs & alive & holders:
                    verdict = judge_fence(asker, victim, ours, running, alive)
                    survivors.add(frozenset((nodes - verdict.kill) & holders))
        assert len(survivors) <= 1, (left, right, holders, hung)


def test_a_second_verdict_after_the_first_finds_its_victim_dead() -> None:
    sides = (frozenset({1}), frozenset({2, 3}))
    running = views(frozenset({1, 2, 3}), sides, frozenset({1, 2, 3}))
    first = judge_fence(1, 2, [1], running, {1, 2, 3})
    left = {node: view for node, view in running.items() if node not in first.kill}
    second = judge_fence(2, 1, [2, 3], left, {2, 3})
    assert (second.kill, second.victim_dies) == (frozenset(), True)


def test_a_node_may_mount_when_it_sees_all_nodes_that_hold_the_root() -> None:
    for members in subsets((1, 2, 3, 4)):
        for holders in subsets((1, 2, 3, 4)):
            running = {node: NodeView(holds_root=node in holders) for node in (1, 2, 3, 4)}
            assert (not unseen_root_holders(1, members, running)) == (holders <= members | {1})
            assert unseen_root_holders(1, members, running) == holders - members - {1}


def test_members_that_do_not_run_keep_no_node_from_mounting() -> None:
    assert not unseen_root_holders(1, [1, 7], {1: STARTS, 2: STARTS})


def test_no_two_sides_of_a_cut_may_mount_one_after_the_other() -> None:
    for left, right, _, _ in cuts(4):
        running = {node: NodeView() for node in left | right}
        for asker in (*sorted(left), *sorted(right)):
            side = left if asker in left else right
            if not unseen_root_holders(asker, side, running):
                running[asker] = NodeView(holds_root=True, members=side)
        holders = {node for node, view in running.items() if view.holds_root}
        assert holders == set(left)


@given(st.data())
def test_however_a_cluster_falls_apart_one_side_is_left_whichever_node_asks_first(
    data: st.DataObject,
) -> None:
    side_of = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=8))
    nodes = frozenset(range(1, len(side_of) + 1))
    sides = tuple(frozenset(n for n in nodes if side_of[n - 1] == side) for side in range(4))
    running = views(nodes, sides, nodes)
    while True:
        asks = [
            (asker, victim)
            for asker in sorted(running)
            for victim in sorted(running)
            if side_of[asker - 1] != side_of[victim - 1]
        ]
        if not asks:
            break
        asker, victim = data.draw(st.sampled_from(asks))
        members = sides[side_of[asker - 1]] & running.keys()
        verdict = judge_fence(asker, victim, members, running, set(running))
        assert verdict.kill
        running = {node: view for node, view in running.items() if node not in verdict.kill}
    assert len({side_of[node - 1] for node in running}) == 1


def seen(*members: int, holds: bool = False) -> NodeView:
    return NodeView(holds_root=holds, members=frozenset(members), has_joined=True)


def test_while_no_node_holds_the_root_nodes_join_and_leave_at_any_time() -> None:
    assert may_change_membership({1: seen(1), 2: seen(), 3: STARTS})


def test_once_a_node_holds_the_root_the_membership_changes_only_when_all_see_each_other() -> None:
    settled = {1: seen(1, 2, holds=True), 2: seen(1, 2, holds=True), 3: STARTS, 4: STARTS}
    assert may_change_membership(settled)
    # Node 3 is joining: it sees no node yet, or not all members see it.
    assert not may_change_membership({**settled, 3: seen()})
    assert not may_change_membership({**settled, 1: seen(1, 2, 3, holds=True), 3: seen(1, 2, 3)})
    all_see = {node: seen(1, 2, 3, holds=True) for node in (1, 2, 3)}
    assert may_change_membership({**all_see, 4: STARTS})
    # A member has died and is not expelled yet, or is leaving and the others still see it.
    assert not may_change_membership({1: all_see[1], 3: all_see[3], 4: STARTS})
    assert not may_change_membership({**all_see, 2: STARTS})


def test_nodes_that_start_together_are_forming_until_all_see_all() -> None:
    assert is_forming({1: seen(1), 2: STARTS})
    assert is_forming({1: seen(1, 2), 2: seen(2)})
    assert not is_forming({1: seen(1, 2), 2: seen(1, 2)})
    assert not is_forming({1: seen(1, holds=True), 2: STARTS})
