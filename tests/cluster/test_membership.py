"""Fencing, mounting and messages of nodes. fake_node.py stands in for the nodes."""

import os
import signal
import threading

from fake_clusters import LIMIT_S, FakeCluster
from processes import wait_until

from ssiuml.cluster import process
from ssiuml.cluster.protocol import Values


def test_a_paused_node_is_dead_before_the_fencing_node_gets_its_answer(three_fakes: FakeCluster) -> None:
    pid = three_fakes.pid(2)
    os.killpg(pid, signal.SIGSTOP)
    three_fakes.type(1, "fence 7 2 1 3")
    three_fakes.wait_heard(1, "fenced 7 ok")
    assert process.group_members(pid) == []
    assert three_fakes.nodes() == {"1": "ready", "3": "ready"}


def test_a_node_that_answers_no_ping_is_killed_when_it_is_fenced(three_fakes: FakeCluster) -> None:
    three_fakes.order(3, "deaf")
    three_fakes.type(1, "fence a 3 1 2")
    three_fakes.wait_heard(1, "fenced a ok")
    assert three_fakes.nodes() == {"1": "ready", "2": "ready"}


def test_a_dead_node_is_fenced_without_a_ping(three_fakes: FakeCluster) -> None:
    three_fakes.ask("kill", nodes=[3])
    three_fakes.type(1, "fence 1 3 1 2")
    three_fakes.wait_heard(1, "fenced 1 ok")
    assert not any(line.startswith("ping") for line in three_fakes.heard(1))


def test_the_smaller_side_of_a_cut_dies_even_if_it_asks_first(three_fakes: FakeCluster) -> None:
    three_fakes.type(1, "fence 1 2 1")
    wait_until(lambda: three_fakes.nodes() == {"2": "ready", "3": "ready"}, "the death of node 1")
    assert "cut off from node 2, 3, which goes on" in three_fakes.status()["past"]["1"]
    three_fakes.type(2, "fence 1 1 2 3")
    three_fakes.wait_heard(2, "fenced 1 ok")


def test_one_side_of_a_cut_is_left_when_both_ask_at_the_same_time(three_fakes: FakeCluster) -> None:
    threads = [
        threading.Thread(target=three_fakes.type, args=(node, text))
        for node, text in ((1, "fence 1 2 1"), (2, "fence 1 1 2 3"), (3, "fence 1 1 2 3"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    three_fakes.wait_heard(2, "fenced 1 ok")
    three_fakes.wait_heard(3, "fenced 1 ok")
    assert three_fakes.nodes() == {"2": "ready", "3": "ready"}


def test_a_node_that_does_not_see_the_others_waits_until_it_does(three_fakes: FakeCluster) -> None:
    three_fakes.boot_script("members 4\ngo?\nmounted\nready\n", 4)
    answers: list[Values] = []
    thread = threading.Thread(target=lambda: answers.append(three_fakes.start(4)))
    thread.start()
    wait_until(lambda: three_fakes.nodes().get("4") == "waiting", "node 4 waits")
    three_fakes.wait_heard(4, "wait")
    assert "go" not in three_fakes.heard(4)
    three_fakes.type(4, "members 1 2 3 4")
    thread.join(LIMIT_S)
    assert [answer["ok"] for answer in answers] == [True]


def test_a_node_that_loses_sight_of_the_others_while_it_mounts_is_killed(three_fakes: FakeCluster) -> None:
    three_fakes.boot_script("members 1 2 3 4\ngo?\nmembers 4\nmounted\nready\n", 4)
    answer, events = three_fakes.ask("start", nodes=[4])
    assert not answer["ok"]
    assert "lost sight of" in events[-1]["reason"]


def test_lines_that_are_not_messages_are_ignored(three_fakes: FakeCluster) -> None:
    for line in ("nonsense", "members x", "fence", "x" * 6000, "hello 9"):
        three_fakes.type(1, line)
    three_fakes.type(1, "fence 5 4 1 2 3")
    three_fakes.wait_heard(1, "fenced 5 ok")
    assert len(three_fakes.nodes()) == 3
