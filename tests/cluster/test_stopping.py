"""Clusters that are stopped. fake_node.py stands in for the nodes."""

import os
import signal

from fake_clusters import LIMIT_S, FakeCluster
from processes import wait_until

from ssiuml.cluster import process, state
from ssiuml.cluster.root_copy import lock_root


def test_nodes_are_ready_then_stopped_in_order_and_nothing_is_left(three_fakes: FakeCluster) -> None:
    pids = [three_fakes.pid(node) for node in (1, 2, 3)]
    assert three_fakes.nodes() == {"1": "ready", "2": "ready", "3": "ready"}
    answer = three_fakes.stop()
    assert (answer["ok"], answer["failed"]) == (True, {})
    assert [process.group_members(pid) for pid in pids] == [[], [], []]
    left = {path.name for path in three_fakes.folder.path.iterdir()}
    assert left.isdisjoint({"state.json", "supervisor.sock", "switch.ctl", "uml", "line-1.sock"})
    os.close(lock_root(three_fakes.folder.root_fs))


def test_stop_kills_a_node_that_hangs_and_the_others_leave_in_order(three_fakes: FakeCluster) -> None:
    os.killpg(three_fakes.pid(2), signal.SIGSTOP)
    answer = three_fakes.stop()
    assert list(answer["failed"]) == ["2"]
    assert "does not answer" in answer["failed"]["2"]
    assert not answer["ok"]


def test_stop_kills_nodes_that_have_not_ended_within_the_limit(three_fakes: FakeCluster) -> None:
    three_fakes.order(2, "deaf")
    three_fakes.order(3, "sluggish")
    answer = three_fakes.stop(limit_s=1.0)
    assert sorted(answer["failed"]) == ["2", "3"]
    assert "does not answer" in answer["failed"]["2"]
    assert "had not ended within 1 s" in answer["failed"]["3"]


def test_a_supervisor_that_is_terminated_stops_its_nodes_in_order(three_fakes: FakeCluster) -> None:
    current = state.read_state(three_fakes.folder)
    assert current is not None
    os.kill(current.supervisor.pid, signal.SIGTERM)
    wait_until(lambda: not process.is_alive(current.supervisor), "the supervisor's end", LIMIT_S)
    assert "node 1: is dead: left in order" in three_fakes.folder.log.read_text()
    assert not three_fakes.folder.state.exists()
