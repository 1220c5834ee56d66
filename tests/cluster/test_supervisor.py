"""The supervisor's own logic, with a program that stands for the nodes (fake_node.py).

Real nodes are in test_running.py.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from processes import wait_until

from ssiuml.cluster import process, state
from ssiuml.cluster.client import ClientError, ask, connect
from ssiuml.cluster.launch import LaunchError, launch
from ssiuml.cluster.launch_plan import ClusterPlan, write_plan
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values, encode
from ssiuml.cluster.root_copy import RootError, take_root
from ssiuml.errors import UsageError

FAKE = Path(__file__).with_name("fake_node.py")
LIMIT_S = 30.0
TOGETHER = "members 1 2 3\ngo?\nmounted\nready\n"


class FakeCluster:
    """A cluster of fake nodes and what tests do with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = ClusterFolder(path / "c")
        self.folder.make()
        self.program = path / "fake_node.py"
        shutil.copy2(FAKE, self.program)
        self.folder.root_fs.write_bytes(b"root")
        self.folder.initrd.write_bytes(b"initrd")
        self.plan = ClusterPlan(
            image=path,
            kernel=self.program,
            initrd=self.folder.initrd,
            root_fs=self.folder.root_fs,
            node_limit=4,
            memory_mib=64,
            token_ms=100,
            planned_nodes=3,
            ready_limit_s=LIMIT_S,
        )
        write_plan(self.folder.plan, self.plan)

    def boot_script(self, text: str, node: int | None = None) -> None:
        (self.path / (f"boot-{node}" if node else "boot")).write_text(text)

    def launch(self) -> None:
        launch(self.folder)

    def ask(self, do: str, **more: object) -> tuple[Values, list[Values]]:
        events: list[Values] = []
        answer = ask(self.folder, {"do": do, **more}, events.append, limit_s=LIMIT_S)
        return answer, events

    def start(self, *nodes: int) -> Values:
        return self.ask("start", nodes=nodes)[0]

    def stop(self, limit_s: float = 5.0) -> Values:
        answer, _ = self.ask("stop", limit_s=limit_s)
        wait_until(lambda: not self.folder.state.exists(), "the supervisor's end")
        return answer

    def status(self) -> Values:
        return self.ask("status")[0]

    def nodes(self) -> dict[str, str]:
        return {number: node["phase"] for number, node in self.status()["nodes"].items()}

    def pid(self, node: int) -> int:
        return int(self.status()["nodes"][str(node)]["pid"])

    def type(self, node: int, line: str) -> None:
        """Type at a node's console."""
        with connect(self.folder) as stream:
            stream.sendall(encode({"do": "console", "node": node}))
            stream.makefile("rb").readline()
            stream.sendall(line.encode() + b"\n")
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(4096):
                pass

    def heard(self, node: int) -> list[str]:
        """What a node has heard on its control line."""
        lines = self.folder.console_log(node).read_text().splitlines()
        return [line.removeprefix("heard ") for line in lines if line.startswith("heard ")]

    def wait_heard(self, node: int, text: str) -> None:
        wait_until(lambda: text in self.heard(node), f"node {node} hears '{text}'", LIMIT_S)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    made = FakeCluster(tmp_path)
    yield made
    current = state.read_state(made.folder)
    if current is not None and current.is_current:
        os.kill(current.supervisor.pid, signal.SIGKILL)
        wait_until(lambda: not current.is_current, "the supervisor's end")
    state.clear_stale(made.folder)


@pytest.fixture
def three(fake: FakeCluster) -> FakeCluster:
    """Three nodes that are ready and see each other."""
    fake.boot_script(TOGETHER)
    fake.launch()
    assert fake.start(1, 2, 3)["ok"]
    return fake


def test_nodes_are_ready_then_stopped_in_order_and_nothing_is_left(three: FakeCluster) -> None:
    pids = [three.pid(node) for node in (1, 2, 3)]
    assert three.nodes() == {"1": "ready", "2": "ready", "3": "ready"}
    answer = three.stop()
    assert (answer["ok"], answer["failed"]) == (True, {})
    assert [process.group_members(pid) for pid in pids] == [[], [], []]
    left = {path.name for path in three.folder.path.iterdir()}
    assert left.isdisjoint({"state.json", "supervisor.sock", "switch.ctl", "uml", "door-1.sock"})
    os.close(take_root(three.folder.root_fs))


def test_events_tell_how_far_each_node_is_in_order(fake: FakeCluster) -> None:
    fake.launch()
    _, events = fake.ask("start", nodes=[1])
    assert [event["phase"] for event in events] == ["started", "member", "mounting", "mounted", "ready"]


def test_a_node_that_dies_is_named_with_the_end_of_its_console(fake: FakeCluster) -> None:
    fake.boot_script("members 1\nexit\n", 2)
    fake.launch()
    answer, events = fake.ask("start", nodes=[1, 2])
    assert (answer["ok"], answer["failed"]) == (False, [2])
    (failed,) = [event for event in events if event["phase"] == "failed"]
    assert "status 3" in failed["reason"]
    assert "out of luck" in failed["tail"]
    assert fake.nodes() == {"1": "ready"}


def test_a_node_that_says_why_it_failed_is_named_with_that(fake: FakeCluster) -> None:
    fake.boot_script("failed root: no such device\nexit\n")
    fake.launch()
    _, events = fake.ask("start", nodes=[1])
    assert events[-1]["reason"] == "root: no such device"


def test_a_node_that_hangs_is_named_and_killed_after_the_limit(fake: FakeCluster) -> None:
    write_plan(fake.folder.plan, replace(fake.plan, ready_limit_s=1.0))
    fake.boot_script("members 1\nhang\n")
    fake.launch()
    answer, events = fake.ask("start", nodes=[1])
    assert answer["failed"] == [1]
    assert "not ready within 1 s, it got as far as 'member'" in events[-1]["reason"]
    assert fake.nodes() == {}


def test_a_kernel_that_is_no_program_is_named(fake: FakeCluster) -> None:
    write_plan(fake.folder.plan, replace(fake.plan, kernel=fake.path / "absent"))
    fake.launch()
    answer, events = fake.ask("start", nodes=[1])
    assert (answer["ok"], events[-1]["phase"]) == (False, "failed")


def test_a_killed_node_is_dead_with_all_its_processes_and_comes_back(three: FakeCluster) -> None:
    pid = three.pid(2)
    three.type(2, "child")
    wait_until(lambda: len(process.group_members(pid)) == 2, "the child")
    answer, _ = three.ask("kill", nodes=[2])
    assert answer["killed"] == [2]
    assert process.group_members(pid) == []
    assert three.status()["past"]["2"] == "killed by ssi-rm"
    assert three.start(2)["ok"]
    assert three.nodes()["2"] == "ready"


def test_a_node_that_ends_by_itself_leaves_no_processes(three: FakeCluster) -> None:
    pid = three.pid(2)
    three.type(2, "child")
    wait_until(lambda: len(process.group_members(pid)) == 2, "the child")
    three.type(2, "exit")
    wait_until(lambda: "2" not in three.nodes(), "the node's end")
    assert process.group_members(pid) == []


def test_nodes_that_run_are_skipped_with_a_word(three: FakeCluster) -> None:
    answer, events = three.ask("start", nodes=[1, 2])
    assert (answer["ok"], answer["started"]) == (True, [])
    assert {(event["event"], event["node"]) for event in events} == {("skipped", 1), ("skipped", 2)}


@pytest.mark.parametrize("node", [0, 5, 16])
def test_nodes_that_the_image_does_not_have_are_refused(three: FakeCluster, node: int) -> None:
    for request in (
        {"do": "start", "nodes": [node]},
        {"do": "kill", "nodes": [node]},
        {"do": "door", "node": node},
    ):
        with pytest.raises(UsageError, match=f"node {node}: is not one of 1 to 4"):
            ask(three.folder, request, limit_s=LIMIT_S)


def test_a_paused_node_is_dead_before_the_fencing_node_hears_so(three: FakeCluster) -> None:
    pid = three.pid(2)
    os.killpg(pid, signal.SIGSTOP)
    three.type(1, "fence 7 2 1 3")
    three.wait_heard(1, "fenced 7 ok")
    assert process.group_members(pid) == []
    assert three.nodes() == {"1": "ready", "3": "ready"}


def test_a_deaf_node_is_killed_when_it_is_fenced(three: FakeCluster) -> None:
    three.type(3, "deaf")
    three.type(1, "fence a 3 1 2")
    three.wait_heard(1, "fenced a ok")
    assert three.nodes() == {"1": "ready", "2": "ready"}


def test_a_dead_node_is_fenced_without_a_question(three: FakeCluster) -> None:
    three.ask("kill", nodes=[3])
    three.type(1, "fence 1 3 1 2")
    three.wait_heard(1, "fenced 1 ok")
    assert not any(line.startswith("ping") for line in three.heard(1))


def test_of_a_cut_cluster_the_smaller_side_dies_also_if_it_asks_first(three: FakeCluster) -> None:
    three.type(1, "fence 1 2 1")
    wait_until(lambda: three.nodes() == {"2": "ready", "3": "ready"}, "the death of node 1")
    assert "cut off from node 2, 3, which goes on" in three.status()["past"]["1"]
    three.type(2, "fence 1 1 2 3")
    three.wait_heard(2, "fenced 1 ok")


def test_both_sides_of_a_cut_asking_at_once_leave_one(three: FakeCluster) -> None:
    threads = [
        threading.Thread(target=three.type, args=(node, text))
        for node, text in ((1, "fence 1 2 1"), (2, "fence 1 1 2 3"), (3, "fence 1 1 2 3"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    three.wait_heard(2, "fenced 1 ok")
    three.wait_heard(3, "fenced 1 ok")
    assert three.nodes() == {"2": "ready", "3": "ready"}


def test_a_node_that_does_not_see_the_others_waits_until_it_does(three: FakeCluster) -> None:
    three.boot_script("members 4\ngo?\nmounted\nready\n", 4)
    answers: list[Values] = []
    thread = threading.Thread(target=lambda: answers.append(three.start(4)))
    thread.start()
    wait_until(lambda: three.nodes().get("4") == "waiting", "node 4 waits")
    three.wait_heard(4, "wait")
    assert "go" not in three.heard(4)
    three.type(4, "members 1 2 3 4")
    thread.join(LIMIT_S)
    assert [answer["ok"] for answer in answers] == [True]


def test_a_node_that_loses_sight_of_the_others_while_it_mounts_is_killed(three: FakeCluster) -> None:
    three.boot_script("members 1 2 3 4\ngo?\nmembers 4\nmounted\nready\n", 4)
    answer, events = three.ask("start", nodes=[4])
    assert not answer["ok"]
    assert "lost sight of" in events[-1]["reason"]


def test_what_is_no_message_is_passed_over(three: FakeCluster) -> None:
    for line in ("nonsense", "members x", "fence", "x" * 6000, "hello 9"):
        three.type(1, line)
    three.type(1, "fence 5 4 1 2 3")
    three.wait_heard(1, "fenced 5 ok")
    assert len(three.nodes()) == 3


def test_stop_kills_a_node_that_hangs_and_the_others_leave_in_order(three: FakeCluster) -> None:
    os.killpg(three.pid(2), signal.SIGSTOP)
    answer = three.stop()
    assert list(answer["failed"]) == ["2"]
    assert "does not answer" in answer["failed"]["2"]
    assert not answer["ok"]


def test_stop_kills_what_has_not_ended_within_the_limit(three: FakeCluster) -> None:
    three.type(2, "deaf")
    three.type(3, "sluggish")
    answer = three.stop(limit_s=1.0)
    assert sorted(answer["failed"]) == ["2", "3"]
    assert "does not answer" in answer["failed"]["2"]
    assert "had not ended within 1 s" in answer["failed"]["3"]


def test_a_node_that_was_told_to_end_by_hand_is_down_in_order(three: FakeCluster) -> None:
    for text in ("leaving", "unmounted", "left", "exit"):
        three.type(2, text)
    wait_until(lambda: "2" not in three.nodes(), "the node's end")
    assert three.status()["past"]["2"] == "left in order"


def test_nodes_die_with_a_killed_supervisor_and_the_next_command_clears_up(three: FakeCluster) -> None:
    pids = [three.pid(node) for node in (1, 2, 3)]
    current = state.read_state(three.folder)
    assert current is not None
    os.kill(current.supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not any(process.group_members(pid) for pid in pids), "the nodes' end")
    with pytest.raises(UsageError, match=r"(?s)had died; cleared up.*does not run"):
        three.status()
    assert not three.folder.state.exists()
    assert not three.folder.socket.exists()
    with pytest.raises(UsageError, match=r"^cluster 'c' does not run"):
        three.status()
    three.launch()
    assert three.start(1, 2, 3)["ok"]


def test_a_supervisor_that_is_terminated_stops_its_nodes_in_order(three: FakeCluster) -> None:
    current = state.read_state(three.folder)
    assert current is not None
    os.kill(current.supervisor.pid, signal.SIGTERM)
    wait_until(lambda: not process.is_alive(current.supervisor), "the supervisor's end", LIMIT_S)
    assert "node 1: is dead: left in order" in three.folder.log.read_text()
    assert not three.folder.state.exists()


def test_no_second_cluster_gets_a_root_that_is_in_use(three: FakeCluster) -> None:
    with pytest.raises(RootError, match="is in use"):
        take_root(three.folder.root_fs)
    other = FakeCluster(three.path / "other")
    write_plan(other.folder.plan, replace(other.plan, root_fs=three.folder.root_fs))
    with pytest.raises(LaunchError, match="is in use"):
        other.launch()


def test_a_switch_that_ended_is_told_and_no_node_is_added(three: FakeCluster) -> None:
    current = state.read_state(three.folder)
    assert current is not None
    os.killpg(current.helpers[0].pid, signal.SIGKILL)
    wait_until(lambda: three.status()["switch"] is False, "the switch's end")
    with pytest.raises(ClientError, match="switch of this cluster has ended"):
        three.start(4)


def test_a_request_that_is_none_is_refused_and_the_next_one_served(three: FakeCluster) -> None:
    for line in (b"\n", b"{}\n", b"[]\n", b'{"do": "fly"}\n', b'{"do": "start"}\n', b"\xff\n"):
        with connect(three.folder) as stream:
            stream.sendall(line)
            assert b"not a request" in stream.makefile("rb").readline()
    assert len(three.nodes()) == 3


def test_the_folder_is_for_its_owner_alone(three: FakeCluster) -> None:
    assert three.folder.path.stat().st_mode & 0o777 == 0o700
    for path in three.folder.path.iterdir():
        if path.is_socket() or path.name.startswith("console"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_console_can_be_watched_by_two_and_its_log_goes_on(three: FakeCluster) -> None:
    with connect(three.folder) as one, connect(three.folder) as two:
        for stream in (one, two):
            stream.sendall(encode({"do": "console", "node": 1}))
            lines = stream.makefile("rb")
            assert lines.readline().startswith(b'{"ok": true')
            assert b"fake node 1 boots" in lines.readline()
    three.type(1, "fence 9 4 1 2 3")
    three.wait_heard(1, "fenced 9 ok")


def test_a_supervisor_that_cannot_start_says_why(fake: FakeCluster) -> None:
    fake.folder.plan.write_text("{")
    with pytest.raises(LaunchError, match=r"plan\.json: cannot be read"):
        fake.launch()


def test_a_process_of_somebody_else_with_the_recorded_pid_is_not_hit(fake: FakeCluster) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    recorded = process.ProcessId(other.pid, process.identify(other.pid).start - 1)
    gone = process.ProcessId(process.identify(os.getpid()).pid, 1)
    state.write_state(
        fake.folder,
        state.ClusterState(
            process.boot_id(), gone, sys.executable, (recorded,), {1: state.NodeState(recorded, "ready")}
        ),
    )
    assert state.clear_stale(fake.folder)
    assert other.poll() is None
    other.communicate(b"\n", timeout=LIMIT_S)
