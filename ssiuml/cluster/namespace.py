"""The network namespace of a cluster: the words that start its supervisor there, and the bridge in it.

An ordinary user also needs a user namespace; the user's id stays the same in it. No interface leads out of
the network namespace: the cluster has no port on the host, and other users cannot reach the interconnect.
"""

import os
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from ssiuml.cluster.command_lines import find_program
from ssiuml.cluster.ports import BRIDGE, BRIDGE_MAC
from ssiuml.errors import SsiumlError
from ssiuml.host.run import find_tool

TRY_LIMIT_S: Final = 10.0
# How many frames of uml_switch may wait for a node that is not running at the moment. With the kernel's limit
# of 10 frames get lost when nodes outnumber processors, and a lost token of corosync costs seconds.
QUEUED_FRAMES: Final = 1000
_FOR_A_USER: Final = ("--user", "--map-current-user", "--keep-caps")
# The bridge's address is the host's end of the network. The interfaces here do not speak IPv6: they would
# send frames of their own. Bridged frames do not pass the filters of IP.
_BRIDGE: Final = """
ip=$1 bridge=$2 mac=$3 address=$4
shift 4
for name in ipv6/conf/all/disable_ipv6=1 ipv6/conf/default/disable_ipv6=1 bridge/bridge-nf-call-iptables=0 \\
	bridge/bridge-nf-call-ip6tables=0 bridge/bridge-nf-call-arptables=0; do
	echo "${name#*=}" >"/proc/sys/net/${name%=*}"
done 2>/dev/null
"$ip" link set lo up &&
	"$ip" link add "$bridge" address "$mac" type bridge stp_state 0 forward_delay 0 mcast_snooping 0 &&
	"$ip" address add "$address" dev "$bridge" &&
	"$ip" link set "$bridge" up &&
	exec setpriv --inh-caps -all,+net_admin,+net_raw --ambient-caps -all,+net_admin,+net_raw -- "$@"
"""
# If the kernel refuses the write, the queue stays short.
_SWITCH: Final = """
echo "$1" 2>/dev/null >/proc/sys/net/unix/max_dgram_qlen
shift
exec setpriv --ambient-caps -all --inh-caps -all -- "$@"
"""
# Settings of the kernel that forbid namespaces, the value that does, and the command that allows them.
_SETTINGS: Final = (
    ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"),
    ("user/max_net_namespaces", "0", "sudo sysctl user.max_net_namespaces=10000"),
)
PROC_SYS: Final = Path("/proc/sys")


def bridge_prefix(address: IPv4Interface) -> tuple[str, ...]:
    """Return the words that start a command in a namespace of its own with the bridge of a cluster.

    The bridge has *address*, which no node has. The command can change the network there: it keeps
    CAP_NET_ADMIN and CAP_NET_RAW over its namespaces and no other capability.
    """
    program = find_program("ip", "iproute2")
    return (*_unshare(), "sh", "-c", _BRIDGE, "sh", program, BRIDGE, BRIDGE_MAC, str(address))


def switch_prefix() -> tuple[str, ...]:
    """Return the words that start a command in a namespace for uml_switch, () if this host forbids that.

    uml_switch and the nodes exchange frames over sockets of the abstract namespace (unix(7)). These have no
    owner and no permissions: every user of the machine could send to them. A network namespace has its own.
    """
    if find_tool("unshare") is None:
        return ()
    prefix = (*_unshare(), "sh", "-c", _SWITCH, "sh", str(QUEUED_FRAMES))
    return prefix if _try(prefix) is None else ()


def require_bridge(prefix: tuple[str, ...], proc_sys: Path = PROC_SYS) -> None:
    """Raise SsiumlError, with the way out, if this host does not allow the namespace of *prefix*."""
    said = _try(prefix)
    if said is None:
        return
    values = {name: _read(proc_sys / name) for name, _, _ in _SETTINGS}
    raise SsiumlError(
        f"this machine allows no network namespace with a bridge, which a cluster needs: {said}",
        hint=way_out(values),
    )


def way_out(values: Mapping[str, str | None]) -> str:
    """Return the hint of an error, by the *values* of the kernel's settings (None: it does not have that)."""
    commands = [command for name, forbids, command in _SETTINGS if values.get(name) == forbids]
    if commands:
        return f"run {' and '.join(commands)}, or have an administrator run that"
    return (
        "in a container, start it so that it may make user namespaces; with a kernel of your own, set "
        "CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_BRIDGE and CONFIG_VETH"
    )


def _unshare() -> tuple[str, ...]:
    program = find_program("unshare", "util-linux")
    return (program, "--net", *(() if os.geteuid() == 0 else _FOR_A_USER), "--")


def _try(prefix: tuple[str, ...]) -> str | None:
    """Return None if a command can be started with *prefix*, else why not."""
    try:
        tried = subprocess.run(  # noqa: S603 - an argument list of ours
            [*prefix, "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TRY_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {TRY_LIMIT_S:.0f} s"
    if tried.returncode == 0:
        return None
    return tried.stderr.strip() or f"unshare ended with status {tried.returncode}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
