"""The supervisor's unix socket: takes requests, sends events and answers (see ssiuml.cluster.protocol)."""

import asyncio
import contextlib
import logging
from typing import Any

from ssiuml.cluster import unix_sockets
from ssiuml.cluster.protocol import LINE_LIMIT_BYTES, Values, decode, encode
from ssiuml.cluster.running import Emit
from ssiuml.cluster.supervisor import Supervisor
from ssiuml.errors import SsiumlError, UsageError

log = logging.getLogger(__name__)


class CommandServer:
    """Serves the ssi-* commands until the supervisor ends."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen on the socket."""
        listening = unix_sockets.listen(self._supervisor.running.folder.socket)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_LIMIT_BYTES)

    async def close(self) -> None:
        """Close the socket when the answers that were given are delivered."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            with contextlib.suppress(OSError, TimeoutError):
                writer.close()
                await asyncio.wait_for(writer.wait_closed(), 1.0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            line = await reader.readline()
            if line:
                await self._answer(decode(line), reader, writer)
        except (ValueError, KeyError, TypeError) as error:
            writer.write(encode({"ok": False, "error": f"not a request: {error!r}"}))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(
        self, request: Values, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        def emit(values: Values) -> None:
            if not writer.is_closing():
                writer.write(encode(values))

        if request["do"] == "console":
            await self._console(request, reader, writer)
            return
        try:
            answer = await self._do(request, emit)
        except SsiumlError as error:
            answer = _refusal(error)
        emit(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    async def _do(self, request: Values, emit: Emit) -> Values:
        supervisor = self._supervisor
        match request["do"]:
            case "status":
                return await supervisor.status()
            case "start":
                return await supervisor.start(_numbers(request["nodes"]), emit)
            case "kill":
                return await supervisor.kill(_numbers(request["nodes"]), emit)
            case "stop":
                return await supervisor.stop(float(request["limit_s"]), emit)
            case "unforward":
                await supervisor.forwards.remove(int(request["port"]))
            case "uplink":
                await supervisor.attach_uplink()
            case "network":
                groups = [_numbers(group) for group in request["groups"]]
                value = float(request.get("value", 0))
                return await supervisor.change_network(str(request["change"]), groups, value)
            case "connect":
                await supervisor.open_ssh(int(request["node"]))
            case _:
                raise ValueError(f"do: {request['do']!r}")
        return {"ok": True}

    async def _console(
        self, request: Values, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            node = self._supervisor.running.node(int(request["node"]))
        except SsiumlError as error:
            writer.write(encode(_refusal(error)))
            return
        writer.write(encode({"ok": True}))
        node.console.attach(writer)
        try:
            while data := await reader.read(4096):
                node.console.type(data)
        finally:
            node.console.detach(writer)


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in values]


def _refusal(error: SsiumlError) -> Values:
    return {
        "ok": False,
        "error": error.message,
        "hint": error.hint,
        "is_usage": isinstance(error, UsageError),
    }
