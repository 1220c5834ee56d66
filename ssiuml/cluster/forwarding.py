"""Forwarded ports: connections to a port of this machine's loopback address go on to a node.

The supervisor cannot open such a port: its network namespace is the cluster's own. So ssi-forward opens it
and hands over the listening socket (SCM_RIGHTS in unix(7)). The supervisor accepts the connections and
connects to the node over the interconnect.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ssiuml.cluster import unix_sockets
from ssiuml.cluster.protocol import LINE_LIMIT_BYTES, Values, decode, encode
from ssiuml.errors import SsiumlError, UsageError

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
CONNECT_LIMIT_S: Final = 10.0
REQUEST_LIMIT_S: Final = 10.0
_PIECE_BYTES: Final = 1 << 16


class Forward:
    """One forwarded port: connections to *port* of this machine go to *node_port* of one of *addresses()*."""

    def __init__(
        self, port: int, node: int | None, node_port: int, addresses: Callable[[], Sequence[str]]
    ) -> None:
        self.port = port
        self.node = node  # None: the cluster, that is each ready node in turn
        self.node_port = node_port
        self._addresses = addresses
        self._turn = itertools.count()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    async def open(self, listening: socket.socket) -> None:
        """Accept connections on *listening* from now on."""
        self._server = await asyncio.start_server(self._serve, sock=listening)

    async def close(self) -> None:
        """Close the port and its connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def describe(self) -> Values:
        """Return what ssi-status shows."""
        return {"port": self.port, "node": self.node, "node_port": self.node_port}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a task calls this
        self._connections.add(task)
        try:
            inner = await self._connect()
            if inner is not None:
                await _relay(reader, writer, *inner)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        addresses = self._addresses()
        turn = next(self._turn) % len(addresses) if addresses else 0
        for address in (*addresses[turn:], *addresses[:turn]):
            try:
                return await asyncio.wait_for(
                    asyncio.open_connection(address, self.node_port), CONNECT_LIMIT_S
                )
            except (OSError, TimeoutError) as error:
                log.info("port %d: %s:%d: %s", self.port, address, self.node_port, error)
        return None


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inner_reader: asyncio.StreamReader,
    inner_writer: asyncio.StreamWriter,
) -> None:
    """Copy bytes both ways until both sides have ended what they send."""
    try:
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    except ConnectionError:
        for each in (writer, inner_writer):
            each.transport.abort()
    finally:
        inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class Forwards:
    """The forwarded ports of a cluster, and the socket over which ssi-forward hands them over."""

    def __init__(self, path: Path, addresses: Callable[[int | None], Sequence[str]]) -> None:
        self._path = path
        self._addresses = addresses  # of a node; None: of all nodes that are ready
        self._forwards: dict[int, Forward] = {}
        self._listening: socket.socket | None = None
        self._requests: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Listen for ssi-forward."""
        self._listening = unix_sockets.listen(self._path)
        self._listening.listen()
        self._listening.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    async def close(self) -> None:
        """Close all ports, and the socket."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
        self._path.unlink(missing_ok=True)
        for forward in self._forwards.values():
            await forward.close()
        self._forwards.clear()

    def describe(self) -> list[Values]:
        """Return what ssi-status shows."""
        return [forward.describe() for _, forward in sorted(self._forwards.items())]

    async def remove(self, port: int) -> None:
        """Close a forwarded port. Raise UsageError if it is not forwarded."""
        forward = self._forwards.pop(port, None)
        if forward is None:
            ports = " ".join(map(str, sorted(self._forwards))) or "none"
            raise UsageError(f"port {port}: is not forwarded", hint=f"forwarded ports: {ports}")
        await forward.close()

    def _accept(self) -> None:
        assert self._listening is not None  # noqa: S101 - it is readable
        with contextlib.suppress(BlockingIOError):
            stream, _ = self._listening.accept()
            task = asyncio.get_running_loop().create_task(self._serve(stream))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def _serve(self, stream: socket.socket) -> None:
        with stream:
            stream.settimeout(REQUEST_LIMIT_S)
            try:
                line, descriptors, _, _ = await asyncio.to_thread(
                    socket.recv_fds, stream, LINE_LIMIT_BYTES, 1
                )
                sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
                request = decode(line)
                forward = self._forward(request["port"], request["node"], request["node_port"])
                await forward.open(sockets[0])
                self._forwards[forward.port] = forward
                answer: Values = {"ok": True}
            except SsiumlError as error:
                answer = {"ok": False, "error": error.message, "hint": error.hint, "is_usage": True}
            except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                answer = {"ok": False, "error": f"not a request: {error!r}"}
            with contextlib.suppress(OSError):
                await asyncio.to_thread(stream.sendall, encode(answer))

    def _forward(self, port: int, node: int | None, node_port: int) -> Forward:
        self._addresses(node)  # refuses a node that there is not
        return Forward(port, node, node_port, lambda: self._addresses(node))


def hand_over(path: Path, listening: socket.socket, request: Values) -> Values:
    """Hand a listening socket over to the supervisor. Return its answer.

    Raise OSError if it does not serve.
    """
    with unix_sockets.connect(path, REQUEST_LIMIT_S) as stream:
        socket.send_fds(stream, [encode(request)], [listening.fileno()])
        with stream.makefile("rb") as lines:
            return decode(lines.readline() or b"{}")
