"""A node and its processes. fake_node.py stands in for the nodes."""

from fake_clusters import FakeCluster
from processes import wait_until

from ssiuml.cluster import process


def test_a_killed_node_is_dead_with_all_its_processes_and_can_be_started_again(
    three_fakes: FakeCluster,
) -> None:
    pid = three_fakes.pid(2)
    three_fakes.type(2, "child")
    wait_until(lambda: len(process.group_members(pid)) == 2, "the child")
    answer, _ = three_fakes.ask("kill", nodes=[2])
    assert answer["killed"] == [2]
    assert process.group_members(pid) == []
    assert three_fakes.status()["past"]["2"] == "killed by ssi-rm"
    assert three_fakes.start(2)["ok"]
    assert three_fakes.nodes()["2"] == "ready"


def test_a_node_that_ends_by_itself_leaves_no_processes(three_fakes: FakeCluster) -> None:
    pid = three_fakes.pid(2)
    three_fakes.type(2, "child")
    wait_until(lambda: len(process.group_members(pid)) == 2, "the child")
    three_fakes.type(2, "exit")
    wait_until(lambda: "2" not in three_fakes.nodes(), "the node's end")
    assert process.group_members(pid) == []


def test_a_node_that_was_shut_down_from_inside_has_left_in_order(three_fakes: FakeCluster) -> None:
    for text in ("leaving", "unmounted", "left", "exit"):
        three_fakes.type(2, text)
    wait_until(lambda: "2" not in three_fakes.nodes(), "the node's end")
    assert three_fakes.status()["past"]["2"] == "left in order"
