"""Exchanges frames between the ports of a bridge, in a namespace of its own: ``python frames.py SCENARIO``.

It opens the nodes' ends by packet sockets, as User-Mode Linux does, and prints as JSON what arrived.
"""

import asyncio
import json
import socket
import statistics
import struct
import sys
import time
from itertools import permutations
from typing import Any

from ssiuml.cluster.network import Network
from ssiuml.cluster.ports import mac_address, node_end

NODES = (1, 2, 3)
KIND = 0x88B5  # a type of frames for experiments (IEEE 802)
TIME = struct.Struct("d")
HEADER_BYTES = 14
PACKET_OUTGOING = 4  # linux/if_packet.h
BROADCAST = b"\xff" * 6
LIMIT_S = 1.0


class Peers:
    """The nodes' ends of their ports."""

    def __init__(self) -> None:
        self.network = Network(len(NODES))
        self._sockets: dict[int, socket.socket] = {}

    async def open(self, node: int) -> None:
        await self.network.add_port(node)
        peer = self._sockets[node] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        peer.setblocking(False)
        peer.bind((node_end(node), KIND))

    async def close(self, node: int) -> None:
        self._sockets.pop(node).close()
        await self.network.remove_port(node)

    async def exchange(
        self, sender: int, receiver: int, count: int = 1, target: bytes | None = None
    ) -> dict[str, Any]:
        """Send frames. Return the number that arrived, and the median of the seconds that they took."""
        head = (target or mac_address(receiver)) + mac_address(sender) + KIND.to_bytes(2, "big")
        taken: list[float] = []
        self._read(receiver)
        for _ in range(count):
            self._sockets[sender].send(head + TIME.pack(time.monotonic()) + bytes(60))
            await asyncio.sleep(0.0005)  # a burst would fill the buffers of sockets
            taken += self._read(receiver)
        end = time.monotonic() + LIMIT_S
        while len(taken) < count and time.monotonic() < end:
            await asyncio.sleep(0.001)
            taken += self._read(receiver)
        return {"arrived": len(taken), "median_s": statistics.median(taken) if taken else None}

    async def reach(self, target: bytes | None = None) -> list[list[int]]:
        """Return the pairs of nodes between which a frame arrives: sender, receiver."""
        pairs = permutations(NODES, 2)
        return [list(pair) for pair in pairs if (await self.exchange(*pair, target=target))["arrived"]]

    def _read(self, receiver: int) -> list[float]:
        taken: list[float] = []
        while True:
            try:
                frame, address = self._sockets[receiver].recvfrom(4096)
            except BlockingIOError:
                return taken
            if address[2] != PACKET_OUTGOING:
                taken.append(time.monotonic() - TIME.unpack_from(frame, HEADER_BYTES)[0])


async def healthy(peers: Peers) -> dict[str, Any]:
    return {"reach": await peers.reach(), "broadcast": await peers.reach(BROADCAST)}


async def cut(peers: Peers) -> dict[str, Any]:
    await peers.network.change("cut", [[1], [2, 3]], 0)
    found = {"reach": await peers.reach(), "broadcast": await peers.reach(BROADCAST)}
    await peers.close(1)
    await peers.open(1)
    found["restarted"] = await peers.reach()
    await peers.network.change("heal", [[1], [2]], 0)
    found["partly healed"] = await peers.reach()
    await peers.network.change("heal", [], 0)
    return {**found, "healed": await peers.reach()}


async def delay(peers: Peers) -> dict[str, Any]:
    await peers.network.change("delay", [[1], [2]], 80)
    found = {
        "forth": await peers.exchange(1, 2, 20),
        "back": await peers.exchange(2, 1, 20),
        "broadcast": await peers.exchange(1, 2, 20, BROADCAST),
        "other pair": await peers.exchange(1, 3, 20),
        "other broadcast": await peers.exchange(1, 3, 20, BROADCAST),
    }
    await peers.close(2)
    await peers.open(2)
    found["restarted"] = await peers.exchange(1, 2, 20)
    await peers.network.change("delay", [[1], [2]], 0)
    return {**found, "healed": await peers.exchange(1, 2, 20)}


async def loss(peers: Peers) -> dict[str, Any]:
    await peers.network.change("loss", [[1], [2]], 30)
    found = {"lossy": await peers.exchange(1, 2, 2000), "other pair": await peers.exchange(1, 3, 2000)}
    await peers.network.change("delay", [[1], [2]], 20)
    found["lossy and late"] = await peers.exchange(1, 2, 2000)
    await peers.network.change("loss", [[1], [2]], 100)
    return {**found, "all lost": await peers.exchange(1, 2, 100)}


async def held(peers: Peers) -> dict[str, Any]:
    """Change the delays while frames are held back."""
    await peers.network.change("delay", [[1], [2]], 300)
    waiting = asyncio.create_task(peers.exchange(1, 2, 10))
    await asyncio.sleep(0.05)
    await peers.network.change("heal", [], 0)
    return {"healed": await waiting}


async def killed(peers: Peers) -> dict[str, Any]:
    """Kill the process that holds frames back."""
    await peers.network.change("delay", [[1], [2]], 50)
    [process] = peers.network.helpers
    process.kill()
    await process.wait()
    dead = await peers.reach()
    await peers.network.change("loss", [[1], [3]], 0)
    return {"dead": dead, "changed": await peers.exchange(1, 2, 10)}


async def main(scenario: str) -> None:
    peers = Peers()
    for node in NODES:
        await peers.open(node)
    run = {one.__name__: one for one in (healthy, cut, delay, loss, held, killed)}[scenario]
    print(json.dumps(await run(peers)))
    await peers.network.close()


asyncio.run(main(sys.argv[1]))
