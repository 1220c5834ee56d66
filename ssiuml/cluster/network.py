"""The network of a running cluster: the ports of its bridge, one for each node that runs, and its faults.

A port is a veth pair. One end belongs to the bridge; the node opens the other one by packet sockets
(``transport=raw`` of User-Mode Linux's vector driver). That needs no /dev/net/tun, which some machines give
to root only. ``ip``, ``nft`` and the delay line run in the network namespace of the supervisor
(ssiuml.cluster.namespace).
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from typing import Final

from ssiuml.cluster import faults
from ssiuml.cluster.command_lines import find_program, killed_with_parent
from ssiuml.cluster.ports import BRIDGE, bridge_end, node_end
from ssiuml.errors import SsiumlError
from ssiuml.host.installation import module_command

log = logging.getLogger(__name__)

PROGRAM_LIMIT_S: Final = 10.0


class Network:
    """The bridge in the network namespace of this process."""

    def __init__(self, node_limit: int) -> None:
        self.faults: dict[faults.Pair, faults.Fault] = {}
        self._delay_line: DelayLine | None = None
        self._node_limit = node_limit
        self._lock = asyncio.Lock()  # held while the network changes

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
            if delays := faults.delays(self.faults):
                await (await self._running_delay_line()).order(delays)

    async def attach(self, interface: str) -> None:
        """Make an interface of the namespace a port of the bridge. Raise SsiumlError if there is none."""
        async with self._lock:
            await self._ip([f"link set {interface} master {BRIDGE} up"])

    async def remove_port(self, node: int) -> None:
        """Remove a node's port, if there is one. The bridge forgets the node's address."""
        async with self._lock:
            await self._remove(bridge_end(node))

    async def change(self, change: str, groups: Sequence[Sequence[int]], value: float) -> None:
        """Cut, delay, lose or heal between the nodes of different groups (see ssiuml.cluster.faults).

        Without groups ``heal`` removes all faults. Return when the change is in force. Raise UsageError for a
        wrong node or value, SsiumlError if a program fails; then nothing has changed.
        """
        async with self._lock:
            pairs = faults.pairs_between(groups, self._node_limit) if groups else list(self.faults)
            new = faults.changed(self.faults, change, pairs, value)
            delays = faults.delays(new)
            if delays:
                await self._running_delay_line()
            ports = {node: bridge_end(node) for node in range(1, self._node_limit + 1)}
            # What the bridge drops at once, the delay line begins to hold back a moment later.
            await run_program([find_program("nft", "nftables"), "-f", "-"], faults.filter_rules(new, ports))
            self.faults = new
            if self._delay_line is not None:
                await self._delay_line.order(delays)
                if not delays:
                    self._delay_line.end()
                    self._delay_line = None

    async def close(self) -> None:
        """End the delay line. The rest ends with the namespace."""
        if self._delay_line is not None:
            await self._delay_line.kill()

    @property
    def helpers(self) -> list[asyncio.subprocess.Process]:
        """The processes that serve the network."""
        return [] if self._delay_line is None else [self._delay_line.process]

    async def _running_delay_line(self) -> "DelayLine":
        """Return the delay line, started if it does not run."""
        if self._delay_line is None or self._delay_line.process.returncode is not None:
            self._delay_line = await DelayLine.start()
        return self._delay_line

    async def _remove(self, interface: str) -> None:
        try:
            await self._ip([f"link delete {interface}"])
        except SsiumlError as error:
            if "Cannot find device" not in error.message:
                log.warning("%s", error.message)

    async def _ip(self, lines: list[str]) -> None:
        await run_program([find_program("ip", "iproute2"), "-batch", "-"], "\n".join(lines) + "\n")


class DelayLine:
    """The process that holds frames back (see ssiuml.cluster.delay_line)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls) -> "DelayLine":
        """Start it, without delays. Raise SsiumlError if it does not start."""
        process = await asyncio.create_subprocess_exec(
            *killed_with_parent(module_command("ssiuml.cluster.delay_line")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        line = cls(process)
        await line._answer()
        return line

    async def order(self, delays: Sequence[faults.Delay]) -> None:
        """Replace its delays. Return when they are in force. Raise SsiumlError if it does not obey."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        self.process.stdin.write(json.dumps(delays).encode() + b"\n")
        await self._answer()

    def end(self) -> None:
        """Have it end when it has sent what it still holds."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        self.process.stdin.close()

    async def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def _answer(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        said = b""
        with contextlib.suppress(TimeoutError):
            said = await asyncio.wait_for(self.process.stdout.readline(), PROGRAM_LIMIT_S)
        if said != b"ok\n":
            await self.kill()
            raise SsiumlError(
                "the process that holds frames back has ended",
                hint="look into supervisor.log, then set the delays again",
            )


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
