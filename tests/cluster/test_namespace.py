"""The namespace that a cluster runs in. The kernel and iproute2 are the judges."""

import json
import os
import socket
import subprocess
import sys
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from ssiuml.cluster import namespace
from ssiuml.cluster.ports import BRIDGE
from ssiuml.errors import SsiumlError

ADDRESS = IPv4Interface("10.1.2.254/24")
NOBODY = 65534


def inside(*argv: str, user: int | None = None) -> str:
    """Run a command in a new namespace with a bridge. Return its output."""
    return subprocess.run(
        [*namespace.bridge_prefix(ADDRESS), *argv],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        user=user,
        extra_groups=None if user is None else [],
        env={"PATH": "/usr/bin:/bin"},
    ).stdout


def interfaces() -> set[str]:
    """Return the interfaces of this machine."""
    return {name for _, name in socket.if_nameindex()}


def test_the_bridge_has_the_address_and_passes_frames_at_once() -> None:
    links = {link["ifname"]: link for link in json.loads(inside("ip", "-json", "-details", "address"))}
    bridge = links[BRIDGE]
    assert [(one["local"], one["prefixlen"]) for one in bridge["addr_info"]] == [("10.1.2.254", 24)]
    data = bridge["linkinfo"]["info_data"]
    assert (data["stp_state"], data["forward_delay"], data["mcast_snooping"]) == (0, 0, 0)
    assert "UP" in bridge["flags"]


def test_two_commands_have_bridges_of_their_own_and_the_host_has_none() -> None:
    before = interfaces()
    inside("ip", "link", "show", BRIDGE)
    inside("ip", "link", "show", BRIDGE)
    assert interfaces() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_can_change_the_network_there_and_has_no_other_privilege(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    changes = "ip link add name left type veth peer name right && cat /proc/self/status"
    said = inside("sh", "-c", changes, user=NOBODY)
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    # Source: linux/capability.h, CAP_NET_ADMIN 12 and CAP_NET_RAW 13.
    assert int(status["CapEff"], 16) == 1 << 12 | 1 << 13
    assert status["Uid"].split() == [str(NOBODY)] * 4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kernel/unprivileged_userns_clone": "0"}, "sysctl kernel.unprivileged_userns_clone=1"),
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"user/max_user_namespaces": "0"}, "sysctl user.max_user_namespaces=10000"),
        ({"user/max_net_namespaces": "0"}, "sysctl user.max_net_namespaces=10000"),
        ({"kernel/unprivileged_userns_clone": "1"}, "in a container"),
    ],
)
def test_a_machine_without_namespaces_is_reported_with_the_way_out(
    tmp_path: Path, values: dict[str, str], said: str
) -> None:
    for name, value in values.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"{value}\n")
    refusing = ("sh", "-c", "echo unshare: unshare failed: Operation not permitted >&2; exit 1")
    with pytest.raises(SsiumlError) as caught:
        namespace.require_bridge(refusing, tmp_path)
    assert "this machine allows no network namespace with a bridge" in caught.value.message
    assert "unshare failed: Operation not permitted" in caught.value.message
    assert said in str(caught.value.hint)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_limit_of_no_namespaces_is_what_the_kernel_refuses(tmp_path: Path) -> None:
    """A user namespace has limits of its own, so that no setting of this machine need change."""
    script = (
        "import sys; from ipaddress import IPv4Interface; from ssiuml.cluster import namespace; "
        "open('/proc/sys/user/max_net_namespaces', 'w').write('0'); "
        "namespace.require_bridge(namespace.bridge_prefix(IPv4Interface('10.1.2.254/24')))"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "--", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "unshare failed" in done.stderr
    assert "run sudo sysctl user.max_net_namespaces=10000" in done.stderr
