"""The ports of a cluster's bridge. iproute2 and the kernel's own packet sockets are the judges."""

import json
import subprocess
from pathlib import Path

from fake_clusters import FakeCluster

from ssiuml.cluster.namespace import BRIDGE


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
