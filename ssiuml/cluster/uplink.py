"""The way out of a cluster's network: slirp4netns, an ordinary process of this user.

It is one more port of the bridge, and does for the nodes' connections what a router with NAT and a DNS server
would do. It runs in the network namespace of the host, but opens its interface in the cluster's.
"""

import os
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from ssiuml.cluster.command_lines import find_program
from ssiuml.errors import SsiumlError, UsageError

INTERFACE: Final = "uplink"
TUN: Final = Path("/dev/net/tun")
START_LIMIT_S: Final = 20.0
# slirp4netns takes no shorter network, and answers at its second and third address.
_PREFIX: Final = 25
_GATEWAY, _DNS = 2, 3
_MTU: Final = 1500


@dataclass(frozen=True, slots=True)
class Uplink:
    """The addresses that slirp4netns answers for, within the network of the nodes."""

    network: str
    gateway: str
    dns: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The kernel parameters that tell a node of it."""
        return f"ssi.gateway={self.gateway}", f"ssi.dns={self.dns}"


def plan_uplink(network: str, node_limit: int) -> Uplink:
    """Return the addresses for a way out of *network*: in its last 128 ones, above those of the nodes.

    Raise UsageError if the network has no room for them.
    """
    whole = IPv4Network(network)
    if whole.prefixlen < _PREFIX:
        *_, part = whole.subnets(new_prefix=_PREFIX)
        if whole[node_limit] < part[_GATEWAY]:
            return Uplink(str(part), str(part[_GATEWAY]), str(part[_DNS]))
    raise UsageError(
        f"--internet: the network {network} has no room for a gateway beside its {node_limit} nodes",
        hint="build an image with a larger cluster.network, such as 192.168.50.0/24",
    )


def require_uplink(device: Path = TUN) -> None:
    """Raise SsiumlError, with the way out, if this machine has not what slirp4netns needs."""
    find_program("slirp4netns", "slirp4netns")
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise SsiumlError(
            f"--internet: {device} cannot be opened: {error.strerror}",
            hint=f"have an administrator run: modprobe tun; chmod 0666 {device}. Or leave --internet out",
        ) from error


def uplink_command(uplink: Uplink, supervisor: int | str, ready: int | str, end: int | str) -> list[str]:
    """Return the command line of slirp4netns for the namespaces of the process *supervisor*.

    It writes to the descriptor *ready* when it serves, and ends when the other end of *end* is closed. Nodes
    cannot reach servers on the loopback addresses of this machine.
    """
    return [
        find_program("slirp4netns", "slirp4netns"),
        f"--cidr={uplink.network}",
        f"--mtu={_MTU}",
        "--disable-host-loopback",
        f"--ready-fd={ready}",
        f"--exit-fd={end}",
        str(supervisor),
        INTERFACE,
    ]


def start_uplink(uplink: Uplink, supervisor: int, end: int, log: Path) -> None:
    """Start slirp4netns. Return when it serves. *end* is the descriptor at whose end it ends.

    Raise SsiumlError, with what it said, if it does not serve.
    """
    reading, writing = os.pipe()
    with open(reading, "rb") as ready, log.open("wb") as stream:  # noqa: PTH123 - a descriptor
        try:
            process = subprocess.Popen(  # noqa: S603 - an argument list of ours
                uplink_command(uplink, supervisor, writing, end),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                pass_fds=(writing, end),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        # No time limit: it writes, or it ends and closes the pipe.
        serves = ready.read(1) == b"1"
    if not serves:
        process.wait(START_LIMIT_S)
        raise SsiumlError(
            f"--internet: slirp4netns does not start: {_last_line(log)}", hint=f"look into {log}"
        )
    # It outlives this process. With a status set, subprocess does not warn about that.
    process.returncode = 0


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"
