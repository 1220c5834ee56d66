"""A node and its processes. fake_node.py stands in for the nodes."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fake_clusters import LIMIT_S, FakeCluster
from processes import wait_until

from ssiuml.cluster import process
from ssiuml.cluster.launch_plan import write_launch_plan
from ssiuml.cluster.node import Node, kill_all
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError
from ssiuml.host.uml import Machine


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


def test_a_node_that_waits_for_its_start_is_killed_without_a_signal_to_the_supervisors_own_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid was 0 until then, and a signal to the group 0 goes to the group of the sender."""
    signalled: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: signalled.append(group))

    async def kill() -> None:
        node = Node(1, ClusterFolder(tmp_path))
        assert await kill_all([node], "killed by ssi-stop")
        assert node.is_killed

    asyncio.run(kill())
    assert signalled == []


def test_a_node_that_waits_for_its_start_answers_no_ping(tmp_path: Path) -> None:
    """It had no control line then, and the ping failed; a fence that asked it got no answer."""

    async def ping() -> bool:
        return await Node(1, ClusterFolder(tmp_path)).answers_ping(1.0)

    assert not asyncio.run(ping())


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_start_that_fails_leaves_no_lines_open(tmp_path: Path) -> None:
    folder = ClusterFolder(tmp_path)

    def fail(control_fd: int) -> Machine:
        raise SsiumlError("no kernel")

    async def start(make_machine: Callable[[int], Machine], reason: str) -> None:
        node = Node(1, folder)
        before = open_descriptors()
        with pytest.raises((SsiumlError, OSError), match=reason):
            await node.start(make_machine, lambda node, message: None, ())
        await asyncio.sleep(0)  # transports close their sockets in the next round
        assert node.ended.is_set()
        assert open_descriptors() == before

    folder.make()
    asyncio.run(start(fail, "no kernel"))
    # A command line that is too long is refused when the console and the control line are open already.
    machine = Machine(
        name="node1",
        kernel=Path("/bin/true"),
        folder=folder.uml,
        memory_mib=64,
        initrd=folder.initrd,
        disks={},
        parameters=["x" * (1 << 20)],
    )
    asyncio.run(start(lambda control_fd: machine, "too long"))


def test_nodes_that_wait_for_their_start_can_be_killed_and_the_supervisor_lives_on(fake: FakeCluster) -> None:
    write_launch_plan(fake.folder.plan, replace(fake.plan, node_limit=6))
    fake.boot_script("hang")
    fake.launch()
    numbers = [1, 2, 3, 4, 5, 6]  # some of them wait until others have reported a membership, which none does
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(fake.start, *numbers)
        wait_until(lambda: len(fake.nodes()) == len(numbers), "all nodes are known")
        assert "0" in {str(node["pid"]) for node in fake.status()["nodes"].values()}
        killed, _ = fake.ask("kill", nodes=numbers)
        assert sorted(killed["killed"]) == numbers
        assert sorted(answer.result(LIMIT_S)["failed"]) == numbers
    assert fake.nodes() == {}
