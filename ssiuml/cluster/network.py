"""The network of a running cluster: the ports of its bridge, one for each node that runs.

A port is a veth pair. One end belongs to the bridge; the node opens the other one by packet sockets
(``transport=raw`` of User-Mode Linux's vector driver). That needs no /dev/net/tun, which some machines give
to root only. ``ip`` runs in the supervisor's network namespace (see ssiuml.cluster.namespace).
"""

import asyncio
import logging
from typing import Final

from ssiuml.cluster.command_lines import find_program, node_end
from ssiuml.cluster.namespace import BRIDGE
from ssiuml.errors import SsiumlError

log = logging.getLogger(__name__)

PROGRAM_LIMIT_S: Final = 10.0


def bridge_end(node: int) -> str:
    """Return the name of a node's port in the bridge."""
    return f"port{node}"


class Network:
    """The bridge in the network namespace of this process."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # held while a program changes the network

    async def add_port(self, node: int) -> None:
        """Make a node's port. One that is left of an earlier node with this number is made again.

        Raise SsiumlError if the kernel refuses that.
        """
        inside, outside = bridge_end(node), node_end(node)
        # The host's end has no address and answers no ARP: only the node uses it.
        lines = [
            f"link add {inside} type veth peer name {outside}",
            f"link set {outside} arp off up",
            f"link set {inside} master {BRIDGE} up",
        ]
        async with self._lock:
            await self._remove(inside)
            await self._ip(lines)

    async def attach(self, interface: str) -> None:
        """Make an interface of the namespace a port of the bridge. Raise SsiumlError if there is none."""
        async with self._lock:
            await self._ip([f"link set {interface} master {BRIDGE} up"])

    async def remove_port(self, node: int) -> None:
        """Remove a node's port, if there is one. The bridge forgets the node's address."""
        async with self._lock:
            await self._remove(bridge_end(node))

    async def _remove(self, interface: str) -> None:
        try:
            await self._ip([f"link delete {interface}"])
        except SsiumlError as error:
            if "Cannot find device" not in error.message:
                log.warning("%s", error.message)

    async def _ip(self, lines: list[str]) -> None:
        await run_program([find_program("ip", "iproute2"), "-batch", "-"], "\n".join(lines) + "\n")


async def run_program(argv: list[str], text: str) -> None:
    """Run a program with *text* as its standard input. Raise SsiumlError, with what it said, if it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(text.encode()), PROGRAM_LIMIT_S)
    except TimeoutError:
        process.kill()
        raise SsiumlError(f"{argv[0]}: has not ended within {PROGRAM_LIMIT_S:.0f} s") from None
    if process.returncode != 0:
        words = " ".join(said.decode(errors="replace").split())
        raise SsiumlError(f"{' '.join(argv)}: ended with status {process.returncode}: {words}")
