"""Nodes crash, hang, are paused or are cut off while all of them write.

Every acknowledged line must be there afterwards. fsck.gfs2 judges the root: after each test that has its own
cluster, and when all tests of the shared one are done.
"""

import os
import signal

import pytest
from clusters import LIMIT_S, RECOVERY_LIMIT_S, TOKEN_S, Cluster
from processes import wait_until

from ssiuml.cluster import process

pytestmark = pytest.mark.boot


def test_after_a_crash_the_others_go_on_and_no_acknowledged_line_is_lost(crashing: Cluster) -> None:
    loads = crashing.load(1, 2, 3)
    for load in loads:
        load.wait_for(10)
    crashing.do("rm", "2")
    for load in (loads[0], loads[2]):
        load.wait_for(10, RECOVERY_LIMIT_S)
    status, output = crashing.run("exec", "2", "--", "true")
    assert (status, "node 2 of cluster 't' does not run (killed by ssi-rm)" in output) == (2, True)
    crashing.add(2)
    for load in loads:
        load.end()
    crashing.check_load(loads, reader=2)


def test_a_node_can_be_started_again_before_the_others_have_noticed_its_crash(
    crashing: Cluster,
) -> None:
    crashing.do("rm", "2")
    crashing.add(2)
    assert crashing.up() == {1, 2, 3}
    assert crashing.run("exec", "2", "--", "true")[0] == 0


def test_the_counts_of_free_blocks_are_right_when_a_crashed_node_was_the_last_to_change_them(
    cluster: Cluster,
) -> None:
    """The node that replayed the journal leaves last. It keeps what the other one has counted."""
    files = "mkdir /root/of-{0}; for i in $(seq {1}); do echo {0} >/root/of-{0}/$i; done; sync"
    cluster.start(3)
    cluster.on(3, files.format(3, 100))
    cluster.do("rm", "3")
    for node in (1, 2):
        cluster.on(node, f"echo {node} >/root/after-{node}", RECOVERY_LIMIT_S)
    replayed = "dmesg | grep -c 'Updated master statfs' || true"
    (last,) = [node for node in (1, 2) if int(cluster.on(node, replayed))]
    first = 3 - last
    cluster.on(first, files.format(first, 100))
    cluster.on(last, files.format(last, 10))
    cluster.run("exec", str(first), "--", "poweroff")
    wait_until(lambda: cluster.up() == {last}, f"node {first} leaves the cluster", LIMIT_S)
    assert "the root is clean, checked after a crash\n" in cluster.do("stop")
    cluster.fsck()


@pytest.mark.parametrize("pause_s", [5, *(pytest.param(each, marks=pytest.mark.long) for each in (12, 30))])
def test_a_paused_node_is_dead_when_its_pause_ends(cluster: Cluster, pause_s: int) -> None:
    cluster.start(3)
    loads = cluster.load(1, 2, 3)
    for load in loads:
        load.wait_for(10)
    with cluster.paused(2, pause_s) as group:
        for load in (loads[0], loads[2]):
            load.wait_for(10, RECOVERY_LIMIT_S)
        assert process.group_members(group) == []
        assert cluster.up() == {1, 3}
    for load in loads:
        load.end()
    cluster.check_load(loads, reader=1)
    assert "the root is clean" in cluster.do("stop")
    cluster.fsck()


def test_a_pause_shorter_than_the_token_timeout_has_no_effect(three: Cluster) -> None:
    loads = three.load(1, 2, 3)
    loads[1].wait_for(10)
    with three.paused(2, TOKEN_S / 4):
        pass
    for load in loads:
        load.wait_for(10)
    assert three.up() == {1, 2, 3}
    for load in loads:
        load.end()
    three.check_load(loads, reader=3)


def test_a_node_whose_process_is_killed_is_reported_and_can_be_started_again(crashing: Cluster) -> None:
    loads = crashing.load(1, 3)
    for load in loads:
        load.wait_for(10)
    group = crashing.pid(3)
    os.kill(group, signal.SIGKILL)
    loads[0].wait_for(10, RECOVERY_LIMIT_S)
    assert process.group_members(group) == []
    assert "its process ended with status -9" in crashing.past(3)
    crashing.add(3)
    for load in loads:
        load.end()
    crashing.check_load(loads, reader=3)


@pytest.mark.parametrize(
    ("alone", "others"),
    [(1, (2, 3)), *(pytest.param(*each, marks=pytest.mark.long) for each in ((2, (1, 3)), (3, (1, 2))))],
)
def test_of_a_cut_cluster_the_larger_side_goes_on_and_the_other_is_dead(
    crashing: Cluster, alone: int, others: tuple[int, int]
) -> None:
    loads = crashing.load(1, 2, 3)
    for load in loads:
        load.wait_for(10)
    crashing.do("net", "cut", str(alone), ",".join(map(str, others)))
    for load in loads:
        if load.node != alone:
            load.wait_for(10, RECOVERY_LIMIT_S)
    assert crashing.up() == set(others)
    assert f"cut off from node {others[0]}, {others[1]}" in crashing.past(alone)
    # A node that starts on the other side of the cut does not mount.
    adding = crashing.popen("add", str(alone))
    wait_until(lambda: crashing.phase(alone) == "waiting", "the node waits", LIMIT_S)
    crashing.do("net", "heal")
    said, _ = adding.communicate(timeout=LIMIT_S)
    assert adding.returncode == 0, said
    for load in loads:
        load.end()
    crashing.check_load(loads, reader=alone)


def test_of_two_nodes_that_are_cut_off_from_each_other_the_lower_number_goes_on(cluster: Cluster) -> None:
    cluster.start(2)
    loads = cluster.load(1, 2)
    for load in loads:
        load.wait_for(10)
    cluster.do("net", "cut", "1", "2")
    loads[0].wait_for(10, RECOVERY_LIMIT_S)
    assert cluster.up() == {1}
    cluster.do("net", "heal")
    cluster.add(2)
    for load in loads:
        load.end()
    cluster.check_load(loads, reader=2)
    assert "the root is clean" in cluster.do("stop")
    cluster.fsck()


def test_a_cut_shorter_than_the_token_timeout_has_no_effect(three: Cluster) -> None:
    loads = three.load(1, 2, 3)
    for load in loads:
        load.wait_for(10)
    three.do("net", "cut", "2")
    three.do("net", "heal")
    for load in loads:
        load.wait_for(10)
        load.end()
    assert three.up() == {1, 2, 3}
    three.check_load(loads, reader=3)


def test_a_slow_and_lossy_network_loses_no_node_and_no_line(three: Cluster) -> None:
    loads = three.load(1, 2, 3)
    for load in loads:
        load.wait_for(10)
    three.do("net", "delay", "1", "2", "3", "20ms")
    three.do("net", "loss", "1", "2", "3", "2%")
    for load in loads:
        load.wait_for(10, RECOVERY_LIMIT_S)
    three.do("net", "heal")
    for load in loads:
        load.end()
    assert three.up() == {1, 2, 3}
    three.check_load(loads, reader=2)


def test_a_node_that_powers_off_leaves_and_the_others_stay(cluster: Cluster) -> None:
    cluster.start(2)
    cluster.run("exec", "2", "--", "poweroff")
    wait_until(lambda: cluster.up() == {1}, "node 2 leaves", LIMIT_S)
    assert cluster.past(2) == "left in order"
    wait_until(lambda: cluster.status()["nodes"]["1"]["members"] == [1], "node 1 sees it")
    cluster.do("stop")
    # Nobody has crashed, so no journal was replayed before.
    assert "Journal" not in cluster.fsck()


def test_stop_with_a_hung_node_takes_the_others_down_in_order(cluster: Cluster) -> None:
    cluster.start(2)
    os.kill(cluster.pid(2), signal.SIGSTOP)
    status, output = cluster.run("stop")
    assert status == 1
    assert "node 2 did not end in order: killed: it does not answer" in output
    assert "node 1 did not" not in output
    assert "not clean" not in output
    cluster.fsck()


def test_the_nodes_of_a_killed_supervisor_end_and_the_root_loses_nothing(cluster: Cluster) -> None:
    cluster.start(2)
    loads = cluster.load(1, 2)
    for load in loads:
        load.wait_for(10)
    groups = [cluster.pid(node) for node in (1, 2)]
    os.kill(cluster.status()["supervisor"], signal.SIGKILL)
    wait_until(lambda: not any(map(process.group_members, groups)), "the nodes' end", 10.0)
    status, output = cluster.run("status")
    assert (status, "had died; cleared up" in output) == (2, True)
    for load in loads:
        load.end()
    cluster.start(2)
    cluster.check_load(loads, reader=2)
    assert "checked after a crash" in cluster.do("stop")
    cluster.fsck()


def test_nodes_that_all_crash_leave_journals_that_the_next_start_replays(cluster: Cluster) -> None:
    cluster.start(2)
    loads = cluster.load(1, 2)
    for load in loads:
        load.wait_for(10)
    cluster.do("rm", "1", "2")
    for load in loads:
        load.end()
    status, output = cluster.run("stop")
    assert status == 1
    assert "the root is not clean, its journals are replayed at the next start" in output
    cluster.start(1)
    cluster.check_load(loads, reader=1)
    assert "the root is clean, checked after a crash" in cluster.do("stop")
    cluster.fsck()
