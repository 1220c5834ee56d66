"""Three nodes with the linux-ssi of this project: process ids of their own ranges, and device nodes."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from checkouts import Checkout, kernel_and_base_of
from clusters import Cluster, made_cluster

from ssiuml.host.run import run
from ssiuml.host.uml import Machine
from ssiuml.layers.initrd import tools_tree
from ssiuml.tree.cpio import write_segment
from ssiuml.tree.tree import Literal, Meta, file

pytestmark = pytest.mark.boot

RANGE = 1 << 16
NODES = (1, 2, 3)
# All of them still run when the last has started, so that as many ids are in use at the same time.
# They hold no stream of the session: it would end only after them.
START = "for i in $(seq {count}); do sleep 600 <&- >/dev/null 2>&1 & echo $!; done"
LIST_TASKS = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
exec >/dev/console
/bin/busybox sleep 60 &
/bin/busybox ps -o pid,ppid,comm
/bin/busybox poweroff -f
"""
SMALL_RANGE = 1100  # how many ids a test leaves to a node


@pytest.fixture(scope="module")
def ssi_three(built: Checkout) -> Iterator[Cluster]:
    """Three nodes with the kernel of this project. Afterwards the root must be clean."""
    with made_cluster(built.images) as made:
        made.start(3, "--memory", "512M")  # two thirds of a thousand processes on each
        yield made
        made.do("stop")
        made.fsck()


def _pids(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _on_all(cluster: Cluster, line: str) -> dict[int, str]:
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(NODES, pool.map(lambda node: cluster.on(node, line), NODES), strict=True))


def test_nodes_run_the_kernel_that_was_built(ssi_three: Cluster) -> None:
    assert re.fullmatch(r"7\.3\.\d+-ssi\n", ssi_three.on(1, "uname -r"))


@pytest.mark.parametrize("count", [100, pytest.param(667, marks=pytest.mark.long)])
def test_processes_of_three_nodes_have_ids_of_their_nodes_range_and_where_pid_finds_them(
    ssi_three: Cluster, count: int
) -> None:
    said = _on_all(ssi_three, START.format(count=count))
    pids = {node: _pids(text) for node, text in said.items()}
    every = [pid for each in pids.values() for pid in each]
    assert len(every) == len(set(every)) == 3 * count
    assert {pid // RANGE for pid in pids[1]} == {1}
    assert {node: {pid // RANGE for pid in each} for node, each in pids.items()} == {1: {1}, 2: {2}, 3: {3}}
    words = " ".join(map(str, every))
    expected = [node for node, each in pids.items() for _ in each]
    for node in NODES:
        assert _pids(ssi_three.on(node, f"where_pid {words}")) == expected
    for node in NODES:
        ssi_three.on(node, "killall sleep")


def test_init_keeps_its_id_and_kernel_threads_are_below_the_ranges(built: Checkout, tmp_path: Path) -> None:
    """A script in the place of init: it runs in the first pid namespace, which shows the kernel's threads."""
    small = tools_tree(kernel_and_base_of(built).tree(), ["/bin/busybox"], mtime_ns=0)
    small.add("init", file(Literal(LIST_TASKS.encode()), Meta(mode=0o755)))
    initrd = tmp_path / "initrd"
    write_segment(initrd, small)
    machine = Machine(
        name="uml",
        kernel=built.images / "linux-ssi",
        folder=tmp_path,
        memory_mib=128,
        initrd=initrd,
        disks={},
        parameters=["con0=null,fd:1", "ssi.node=5"],
    )
    machine.prepare()
    text = run(machine.argv, timeout_s=120, cwd=tmp_path)
    tasks = {int(pid): int(parent) for pid, parent in re.findall(r"^ *(\d+) +(\d+) \S", text, re.MULTILINE)}
    # Threads of the kernel are children of kthreadd, the second task.
    threads = [pid for pid, parent in tasks.items() if parent == 2]
    others = [pid for pid, parent in tasks.items() if parent == 1]
    assert tasks[1] == tasks[2] == 0
    assert len(threads) > 10
    assert max(threads) < RANGE
    assert others
    assert {pid // RANGE for pid in others} == {5}


def test_ids_wrap_around_inside_of_the_range_and_skip_those_in_use(ssi_three: Cluster) -> None:
    first = 2 * RANGE
    # A small range is full soon. Processes that run already keep their ids.
    ssi_three.on(2, f"sysctl -q -w kernel.pid_max={first + SMALL_RANGE}")
    try:
        ssi_three.on(2, f"echo {first + SMALL_RANGE - 10} >/proc/sys/kernel/ns_last_pid")
        text = ssi_three.on(2, START.format(count=300))
        pids = _pids(text)
        assert len(set(pids)) == 300
        assert all(first <= pid < first + SMALL_RANGE for pid in pids)
        assert max(pids) - min(pids) > 300, "the ids have not wrapped around"
        assert pids[-1] < pids[0]
        assert set(_pids(ssi_three.on(1, f"where_pid {' '.join(map(str, pids))}"))) == {2}
        ssi_three.on(2, "killall sleep")
    finally:
        ssi_three.on(2, "sysctl -q -w kernel.pid_max=4194304")


def test_after_an_id_of_another_nodes_range_the_next_is_of_the_nodes_own(ssi_three: Cluster) -> None:
    ssi_three.on(3, f"echo {5 * RANGE} >/proc/sys/kernel/ns_last_pid")
    assert int(ssi_three.on(3, "sh -c 'echo $$'")) // RANGE == 3
    ssi_three.on(3, "echo 500 >/proc/sys/kernel/ns_last_pid")
    assert int(ssi_three.on(3, "sh -c 'echo $$'")) // RANGE == 3


def test_a_pid_max_that_would_leave_no_ids_is_refused(ssi_three: Cluster) -> None:
    status, said = ssi_three.run("exec", "2", "--", "sysctl -w kernel.pid_max=32768")
    assert status != 0, said
    assert ssi_three.on(2, "cat /proc/sys/kernel/pid_max") == "4194304\n"


def test_pid_namespaces_begin_with_1_and_go_on_in_the_nodes_range(ssi_three: Cluster) -> None:
    said = ssi_three.on(2, "unshare --pid --fork --mount-proc sh -c 'echo $$; sh -c \"echo \\$\\$\"'")
    first, second = _pids(said)
    assert first == 1
    assert second // RANGE == 2


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("1", 1, "where_pid: 1: every node has processes with ids below 65536 of its own"),
        (str(9 * RANGE + 5), 1, f"where_pid: {9 * RANGE + 5}: would be a process of node 9, which is not up"),
        (str(2 * RANGE - 1), 1, f"where_pid: {2 * RANGE - 1}: there is no such process"),
        ("", 2, "usage: where_pid PID..."),
        ("0131072", 2, "where_pid: '0131072' is not a process id"),
        ("-1", 2, "where_pid: '-1' is not a process id"),
        ("99999999999", 2, "where_pid: '99999999999' is not a process id"),
    ],
)
def test_where_pid_reports_a_wrong_or_unknown_id(
    ssi_three: Cluster, words: str, status: int, said: str
) -> None:
    ended, text = ssi_three.run("exec", "1", "--", f"where_pid {words}")
    assert (ended, said in text) == (status, True), text


def test_device_nodes_have_their_numbers_on_every_node_and_after_a_remount(ssi_three: Cluster) -> None:
    ssi_three.on(1, "mknod /root/null c 1 3; mknod /root/disk b 98 16; chmod 600 /root/disk")
    for node in NODES:
        assert ssi_three.on(node, "stat -c '%t:%T' /root/null /root/disk") == "1:3\n62:10\n"
        assert ssi_three.on(node, "cat /root/null; echo read") == "read\n"
    ssi_three.do("stop")
    ssi_three.start(3, "--keep", "--memory", "512M")
    assert ssi_three.on(1, "stat -c '%t:%T' /root/null /root/disk; cat /root/null") == "1:3\n62:10\n"
