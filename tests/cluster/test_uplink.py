"""The way out of a cluster: its addresses, what it needs, and a node that fetches a file from a mirror."""

import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from clusters import Cluster
from processes import wait_until

from ssiuml.cluster.uplink import plan_uplink, require_uplink
from ssiuml.errors import SsiumlError, UsageError

LIMIT_S = 120.0
FETCH = "busybox wget -q -T 60 -O - http://deb.debian.org/debian/dists/trixie/Release"


@pytest.mark.parametrize(
    ("network", "node_limit"), [("192.168.50.0/24", 15), ("10.9.0.0/16", 15), ("10.0.0.0/24", 129)]
)
def test_gateway_and_name_server_are_in_the_network_and_no_node_has_their_addresses(
    network: str, node_limit: int
) -> None:
    whole, planned = IPv4Network(network), plan_uplink(network, node_limit)
    part = IPv4Network(planned.network)
    nodes = {whole[number] for number in range(1, node_limit + 1)}
    taken = {IPv4Address(planned.gateway), IPv4Address(planned.dns)}
    assert part.subnet_of(whole)
    assert all(address in part for address in taken)
    assert not taken & {*nodes, whole[-1], whole[-2]}, "nodes, broadcast and supervisor"
    # slirp4netns(1): the second and the third address.
    assert taken == {part[2], part[3]}


@pytest.mark.parametrize(("network", "node_limit"), [("192.168.50.0/25", 3), ("10.0.0.0/24", 130)])
def test_a_network_without_room_for_a_gateway_is_refused(network: str, node_limit: int) -> None:
    with pytest.raises(
        UsageError, match=f"{network} has no room for a gateway beside its {node_limit} nodes"
    ):
        plan_uplink(network, node_limit)


def test_a_machine_without_the_device_for_tunnels_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError) as caught:
        require_uplink(tmp_path / "tun")
    assert f"{tmp_path}/tun cannot be opened: No such file or directory\n  have an administrator run" in str(
        caught.value
    )


def test_without_slirp4netns_the_error_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssiuml.host.run.find_tool", lambda name: None)
    monkeypatch.setattr("ssiuml.cluster.command_lines.find_tool", lambda name: None)
    with pytest.raises(SsiumlError, match=r"apt-get install --no-install-recommends slirp4netns"):
        require_uplink()


def uplinks() -> set[str]:
    """The pids of the processes slirp4netns of this machine."""
    listed = subprocess.run(["pgrep", "-x", "slirp4netns"], capture_output=True, text=True, check=False)
    return set(listed.stdout.split())


@pytest.mark.boot
def test_a_node_reaches_a_mirror_by_its_name_and_the_way_out_ends_with_the_cluster(cluster: Cluster) -> None:
    try:
        require_uplink()
    except SsiumlError as error:
        pytest.skip(str(error))
    if shutil.which("pgrep") is None:
        pytest.skip("this machine has no pgrep")
    before = uplinks()
    cluster.start(1, "--internet")
    ours = uplinks() - before
    assert len(ours) == 1
    assert "Codename: trixie" in cluster.on(1, FETCH, limit_s=LIMIT_S)
    cluster.do("stop")
    wait_until(lambda: not ours & uplinks(), "slirp4netns ends", LIMIT_S)


@pytest.mark.boot
def test_without_the_option_there_is_no_way_out(three: Cluster) -> None:
    assert three.on(1, "ip route show default; cat /etc/resolv.conf").strip() == ""
