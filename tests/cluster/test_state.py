"""The state file after a supervisor has died. fake_node.py stands in for the nodes."""

import os
import signal
import subprocess
import sys

import pytest
from fake_clusters import LIMIT_S, FakeCluster
from processes import wait_until

from ssiuml.cluster import process, state
from ssiuml.errors import UsageError


def test_nodes_die_with_a_killed_supervisor_and_the_next_command_clears_up(three_fakes: FakeCluster) -> None:
    pids = [three_fakes.pid(node) for node in (1, 2, 3)]
    current = state.read_state(three_fakes.folder)
    assert current is not None
    os.kill(current.supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not any(process.group_members(pid) for pid in pids), "the nodes' end")
    with pytest.raises(UsageError, match=r"(?s)had died; cleared up.*does not run"):
        three_fakes.status()
    assert not three_fakes.folder.state.exists()
    assert not three_fakes.folder.socket.exists()
    with pytest.raises(UsageError, match=r"^cluster 'c' does not run"):
        three_fakes.status()
    three_fakes.launch()
    assert three_fakes.start(1, 2, 3)["ok"]


def test_a_foreign_process_with_a_recorded_pid_is_not_killed(fake: FakeCluster) -> None:
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
