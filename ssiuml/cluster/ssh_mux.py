"""Carries many ssh connections over one serial line of a node.

Every connection of ssh is a channel on the line; the guest starts an sshd for it.
The frames and the flow control are described in cluster-tools/README.md, "SSH over a serial line".
User-Mode Linux never reads a serial line again once its input buffer has been full. So at most WINDOW_BYTES
are sent before the guest has acknowledged them.
"""

import asyncio
import logging
import struct
from collections import deque
from typing import Final, NamedTuple

from ssiuml.cluster.serial_lines import SerialLine

log = logging.getLogger(__name__)

WINDOW_BYTES: Final = 3072
# Several frames fit into the window, so that sessions take turns.
PAYLOAD_BYTES: Final = 1020
CHANNELS: Final = 256
# If a client sends faster than the line, so many bytes wait here; then the client is not read any more.
_WAITING_BYTES: Final = 1 << 14
# A client that does not read must not hold up the others. It is disconnected when so many bytes wait for it.
_UNREAD_BYTES: Final = 1 << 23
# An ssh client sends hardly anything before the guest's side has started.
_BACKLOG_BYTES: Final = 1 << 12
_HEADER: Final = struct.Struct(">cBH")
_HELLO: Final = b"H"
_HELLO_BYTES: Final = 16
_TYPES: Final = b"HAODC"
_HELLO_START: Final = _HEADER.pack(_HELLO, 0, _HELLO_BYTES)


class Frame(NamedTuple):
    """One frame. ``kind`` is H (hello), A (acknowledge), O (open), D (data) or C (close)."""

    kind: bytes
    channel: int
    payload: bytes = b""

    def encode(self) -> bytes:
        return _HEADER.pack(self.kind, self.channel, len(self.payload)) + self.payload


class FrameReader:
    """Cuts what the node sends into frames. After bytes that are no frame it goes on with the next hello."""

    def __init__(self) -> None:
        self._rest = b""

    def clear(self) -> None:
        """Forget an unfinished frame."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes of the line. Return the frames that they complete."""
        self._rest += data
        frames = []
        while len(self._rest) >= _HEADER.size:
            kind, channel, length = _HEADER.unpack_from(self._rest)
            if kind not in _TYPES:
                start = self._rest.find(_HELLO_START, 1)
                self._rest = self._rest[start:] if start >= 0 else self._rest[1 - _HEADER.size :]
                if start < 0:
                    break
                continue
            if len(self._rest) < _HEADER.size + length:
                break
            frames.append(Frame(kind, channel, self._rest[_HEADER.size : _HEADER.size + length]))
            self._rest = self._rest[_HEADER.size + length :]
        return frames


class SendWindow:
    """The frames that wait to be sent, and how many bytes were sent and are not acknowledged yet."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._unacknowledged = 0  # bytes
        self._is_open = False

    def begin(self, hello: Frame) -> bytes:
        """Start again, since the guest's side has started. Return the answer to its hello."""
        self._waiting.clear()
        answer = hello.encode()
        self._unacknowledged = len(answer)
        self._is_open = True
        return answer

    def close(self) -> None:
        """Send nothing until the guest's side starts again."""
        self._is_open = False
        self._waiting.clear()

    @property
    def is_open(self) -> bool:
        return self._is_open

    def put(self, frame: Frame) -> None:
        """Queue a frame."""
        self._waiting.append(frame.encode())

    def acknowledge(self, frame: Frame) -> None:
        """Take the guest's acknowledgement of bytes that it has read."""
        self._unacknowledged = max(0, self._unacknowledged - int.from_bytes(frame.payload[:2], "big"))

    def take(self) -> bytes:
        """Return the bytes that may be sent now, and count them as sent."""
        taken = []
        while (
            self._is_open and self._waiting and self._unacknowledged + len(self._waiting[0]) <= WINDOW_BYTES
        ):
            frame = self._waiting.popleft()
            self._unacknowledged += len(frame)
            taken.append(frame)
        return b"".join(taken)

    @property
    def waiting_bytes(self) -> int:
        """Size of the queued frames."""
        return sum(map(len, self._waiting))


class SshLine(SerialLine):
    """The host's end of the line that carries ssh."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._reader = FrameReader()
        self._window = SendWindow()
        self._open: dict[int, SshClient] = {}
        self._closing: set[int] = set()  # channels whose client is gone and whose sshd has not ended yet
        self._early: dict[SshClient, bytes] = {}  # before the guest's side has started

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            match frame.kind:
                case b"H":
                    self._begin(frame)
                case b"A":
                    self._window.acknowledge(frame)
                case b"D":
                    if frame.channel in self._open:
                        self._open[frame.channel].write(frame.payload)
                case b"C":
                    self._closing.discard(frame.channel)
                    client = self._open.pop(frame.channel, None)
                    if client is not None:
                        client.end()
        self._send()

    def close(self) -> None:
        self.restart()
        for client in list(self._early):
            client.abort()
        super().close()

    def restart(self) -> None:
        """Disconnect all clients: the guest's side is gone, and all its servers with it."""
        self._reader.clear()
        self._window.close()
        self._closing.clear()
        for client in list(self._open.values()):
            client.abort()
        self._open.clear()

    def _begin(self, hello: Frame) -> None:
        for client in list(self._open.values()):
            client.abort()
        self._open.clear()
        self._closing.clear()
        if self.transport is not None:
            self.transport.write(self._window.begin(hello))
        early, self._early = self._early, {}
        for client, said in early.items():
            if self.connect(client) and said:
                self.send(client, said)

    def connect(self, client: "SshClient") -> bool:
        """Open a channel for a client. Return False if no channel is free or the node is gone."""
        if self.transport is None or self.transport.is_closing():
            return False
        if not self._window.is_open:
            self._early[client] = b""
            return True
        free = next((n for n in range(1, CHANNELS) if n not in self._open and n not in self._closing), None)
        if free is None:
            log.warning("%s: all %d channels are taken", self.name, CHANNELS - 1)
            return False
        self._open[free] = client
        client.channel = free
        self._window.put(Frame(b"O", free))
        self._send()
        return True

    def send(self, client: "SshClient", data: bytes) -> None:
        """Send a client's bytes to its sshd."""
        if client in self._early:
            self._early[client] += data
            if len(self._early[client]) > _BACKLOG_BYTES:
                client.abort()
            return
        if self._open.get(client.channel) is not client:
            return
        for start in range(0, len(data), PAYLOAD_BYTES):
            self._window.put(Frame(b"D", client.channel, data[start : start + PAYLOAD_BYTES]))
        self._send()
        if self._window.waiting_bytes > _WAITING_BYTES:
            client.pause_reading()

    def disconnect(self, client: "SshClient") -> None:
        """Close the channel of a client that has gone."""
        self._early.pop(client, None)
        if self._open.get(client.channel) is client:
            del self._open[client.channel]
            self._closing.add(client.channel)
            self._window.put(Frame(b"C", client.channel))
            self._send()

    def _send(self) -> None:
        data = self._window.take()
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)
        if self._window.waiting_bytes <= _WAITING_BYTES // 2:
            for client in self._open.values():
                client.resume_reading()


class SshClient(asyncio.Protocol):
    """A connection of ssh to a node."""

    def __init__(self, line: SshLine) -> None:
        self.channel = 0
        self._line = line
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        if not self._line.connect(self):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._line.send(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        self._line.disconnect(self)

    def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _UNREAD_BYTES:
            self._transport.abort()

    def end(self) -> None:
        """Close the connection when everything the server sent is delivered."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
