"""The network of a cluster, its ports and faults. iproute2 and the kernel's packet sockets are the judges."""

import json
import subprocess
import sys
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from fake_clusters import FakeCluster
from processes import wait_until

from ssiuml.cluster import process, state
from ssiuml.cluster.namespace import bridge_prefix
from ssiuml.cluster.ports import BRIDGE
from ssiuml.errors import SsiumlError, UsageError

FRAMES = Path(__file__).with_name("frames.py")
ALL = [[1, 2], [1, 3], [2, 1], [2, 3], [3, 1], [3, 2]]


def exchanged(scenario: str) -> dict[str, Any]:
    """Run a scenario of frames.py in a namespace with a bridge. Return what it found."""
    prefix = bridge_prefix(IPv4Interface("10.1.2.254/24"))
    done = subprocess.run(
        [*prefix, sys.executable, FRAMES, scenario], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def inside(cluster: FakeCluster, *argv: str) -> str:
    """Run a command in the cluster's network namespace. Return its output."""
    supervisor = str(cluster.status()["supervisor"])
    return subprocess.run(
        ["nsenter", "-t", supervisor, "--user", "--preserve-credentials", "--net", "--", *argv]
        if is_user_namespace(supervisor)
        else ["nsenter", "-t", supervisor, "--net", "--", *argv],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def is_user_namespace(process: str) -> bool:
    """Return whether a process has a user namespace of its own. None can enter the one that it is in."""
    return Path(f"/proc/{process}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()


def ports(cluster: FakeCluster) -> set[str]:
    links = json.loads(inside(cluster, "ip", "-json", "link", "show", "master", BRIDGE))
    return {link["ifname"] for link in links}


def test_a_node_has_a_port_as_long_as_it_runs(three_fakes: FakeCluster) -> None:
    assert ports(three_fakes) == {"port1", "port2", "port3"}
    three_fakes.ask("kill", nodes=[2])
    assert ports(three_fakes) == {"port1", "port3"}


def test_a_node_that_starts_at_once_after_its_crash_has_its_port(three_fakes: FakeCluster) -> None:
    for _ in range(3):
        three_fakes.ask("kill", nodes=[1, 2, 3])
        assert three_fakes.start(1, 2, 3)["ok"]
        assert ports(three_fakes) == {"port1", "port2", "port3"}


def test_no_interface_of_the_namespace_speaks_but_the_bridge(three_fakes: FakeCluster) -> None:
    addresses = json.loads(inside(three_fakes, "ip", "-json", "address"))
    speaking = {
        link["ifname"]: [one["local"] for one in link["addr_info"]]
        for link in addresses
        if link["addr_info"] and link["ifname"] != "lo"
    }
    assert speaking == {BRIDGE: ["192.168.50.254"]}
    ends = [link for link in addresses if link["ifname"].startswith("node")]
    assert len(ends) == 3
    assert all("NOARP" in link["flags"] for link in ends)


def test_every_node_reaches_every_other() -> None:
    assert exchanged("healthy") == {"reach": ALL, "broadcast": ALL}


def test_no_frame_crosses_a_cut_until_it_is_healed() -> None:
    apart = [[2, 3], [3, 2]]
    assert exchanged("cut") == {
        "reach": apart,
        "broadcast": apart,
        "restarted": apart,
        "partly healed": [[1, 2], [2, 1], [2, 3], [3, 2]],
        "healed": ALL,
    }


def test_frames_are_held_back_for_the_time_given_and_none_is_lost() -> None:
    found = exchanged("delay")
    assert {name: one["arrived"] for name, one in found.items()} == dict.fromkeys(found, 20)
    for name in ("forth", "back", "broadcast", "restarted"):
        assert 0.08 <= found[name]["median_s"] < 0.16, name
    for name in ("other pair", "other broadcast", "healed"):
        assert found[name]["median_s"] < 0.04, name


def test_the_share_of_lost_frames_is_the_one_given() -> None:
    found = exchanged("loss")
    # The standard deviation of 2000 frames is 20: five of them.
    assert abs(found["lossy"]["arrived"] - 1400) < 100
    assert abs(found["lossy and late"]["arrived"] - 1400) < 100
    assert found["lossy and late"]["median_s"] >= 0.02
    assert found["other pair"]["arrived"] == 2000
    assert found["all lost"]["arrived"] == 0


def test_frames_that_are_held_back_arrive_although_the_delay_is_removed() -> None:
    healed = exchanged("held")["healed"]
    assert healed["arrived"] == 10
    assert healed["median_s"] >= 0.3


def test_the_process_that_holds_frames_back_is_started_again() -> None:
    found = exchanged("killed")
    assert found["dead"] == [[1, 3], [2, 3], [3, 1], [3, 2]], "as if they were cut off"
    assert found["changed"]["arrived"] == 10
    assert found["changed"]["median_s"] >= 0.05


def test_a_cut_stays_when_its_nodes_are_started_again_and_ends_with_the_cluster(
    three_fakes: FakeCluster,
) -> None:
    answer, _ = three_fakes.ask("network", change="cut", groups=[[1], [2, 3]])
    faults = [{"nodes": [1, other], "cut": True, "delay_ms": 0, "loss_percent": 0} for other in (2, 3)]
    assert answer["network"] == {"address": "192.168.50.254", "faults": faults}
    three_fakes.ask("kill", nodes=[1, 2, 3])
    assert three_fakes.start(1, 2, 3)["ok"]
    assert three_fakes.status()["network"]["faults"] == faults
    assert inside(three_fakes, "nft", "list", "table", "bridge", "ssi").count("drop") == 4
    three_fakes.ask("network", change="heal", groups=[])
    assert three_fakes.status()["network"]["faults"] == []
    assert "ssi" not in inside(three_fakes, "nft", "list", "tables")


def test_the_delaying_process_ends_with_the_last_delay_and_with_its_supervisor(
    three_fakes: FakeCluster,
) -> None:
    def helpers() -> list[process.ProcessId]:
        current = state.read_state(three_fakes.folder)
        assert current is not None
        return [one for one in current.helpers if process.is_alive(one)]

    three_fakes.ask("network", change="delay", groups=[[1], [2]], value=10)
    [first] = helpers()
    three_fakes.ask("network", change="heal", groups=[])
    wait_until(lambda: not process.is_alive(first), "the end of the process that delays")
    three_fakes.ask("network", change="delay", groups=[[1], [2]], value=10)
    [second] = helpers()
    three_fakes.stop()
    wait_until(lambda: not process.is_alive(second), "the end of the process that delays")


@pytest.mark.parametrize(
    ("change", "groups", "value", "said"),
    [
        ("cut", [[1], [5]], 0, "node 5: is not one of 1 to 4"),
        ("cut", [[0]], 0, "node 0: is not one of 1 to 4"),
        ("cut", [[1, 2], [2]], 0, "node 2 is named twice"),
        ("delay", [[1], [2]], 60_001, "delay: 60001 ms is not 0 to 60000 ms"),
        ("delay", [[1], [2]], -1, "delay: -1 ms is not 0 to 60000 ms"),
        ("loss", [[1], [2]], 100.5, "loss: 100.5 % is not 0 to 100 %"),
        ("heal", [[9]], 0, "node 9: is not one of 1 to 4"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    three_fakes: FakeCluster, change: str, groups: list[list[int]], value: float, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        three_fakes.ask("network", change=change, groups=groups, value=value)
    assert three_fakes.status()["network"]["faults"] == []


def test_a_change_that_nft_refuses_is_an_error_and_changes_nothing(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake.path / "bin"
    path.mkdir()
    (path / "nft").write_text("#!/bin/sh\necho 'no such family' >&2\nexit 3\n")
    (path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", str(path), prepend=":")
    fake.launch()
    with pytest.raises(SsiumlError, match="nft -f -: ended with status 3: no such family"):
        fake.ask("network", change="cut", groups=[[1], [2]])
    assert fake.status()["network"]["faults"] == []
