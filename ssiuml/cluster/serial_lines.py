"""The host's ends of a node's serial lines: the console and the control line.

They never wait for the node. What the node does not read is dropped, and a warning is logged.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ssiuml.cluster.control_line import ControlError, LineBuffer, Message, parse_message

log = logging.getLogger(__name__)

BUFFER_LIMIT_BYTES: Final = 1 << 16
# An attached terminal that does not read any more (Ctrl-S) is detached when so many bytes wait for it.
ATTACHED_LIMIT_BYTES: Final = 1 << 20
RECENT_BYTES: Final = 2048
# User-Mode Linux never reads a console again once its input buffer, 4 KiB, has been full. So pasted text is
# sent in pieces.
TYPED_BYTES: Final = 512
TYPED_PAUSE_S: Final = 0.05


class SerialLine(asyncio.Protocol):
    """A socket whose other end is a serial line of a node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.transport: asyncio.Transport | None = None
        self._is_dropping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self.transport = transport

    def write(self, data: bytes) -> None:
        """Send bytes to the node. Drop them if too many are waiting already."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > BUFFER_LIMIT_BYTES:
            if not self._is_dropping:
                log.warning("%s: the node does not read; what is sent to it is dropped", self.name)
            self._is_dropping = True
            return
        self._is_dropping = False
        self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class ConsoleLine(SerialLine):
    """The console. What the node prints goes to the log and to all who are attached."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name)
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_suffix(".log.old"))
        self._log = path.open("ab", buffering=0)
        path.chmod(0o600)
        self._recent: deque[bytes] = deque()
        self._recent_bytes = 0
        self._attached: set[asyncio.StreamWriter] = set()
        self._is_full = False
        self._typed = b""
        self._typing: asyncio.TimerHandle | None = None
        self.on_text: Callable[[bytes], None] | None = None  # called with the recent output when more comes

    def type(self, data: bytes) -> None:
        """Send what a person has typed or pasted, in pieces."""
        if len(self._typed) + len(data) > BUFFER_LIMIT_BYTES:
            log.warning("%s: more is typed than the node reads; %d bytes are dropped", self.name, len(data))
            return
        self._typed += data
        if self._typing is None:
            self._type_piece()

    def _type_piece(self) -> None:
        piece, self._typed = self._typed[:TYPED_BYTES], self._typed[TYPED_BYTES:]
        self.write(piece)
        again = asyncio.get_running_loop().call_later
        self._typing = again(TYPED_PAUSE_S, self._type_piece) if piece else None

    def data_received(self, data: bytes) -> None:
        try:
            self._log.write(data)
            self._is_full = False
        except OSError as error:
            if not self._is_full:
                log.warning("%s: cannot be logged: %s", self.name, error)
            self._is_full = True
        self._recent.append(data)
        self._recent_bytes += len(data)
        while self._recent_bytes - len(self._recent[0]) > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.popleft())
        if self.on_text is not None:
            self.on_text(b"".join(self._recent))
        for writer in list(self._attached):
            if writer.transport.get_write_buffer_size() > ATTACHED_LIMIT_BYTES:
                self.detach(writer)
                writer.transport.abort()
            else:
                writer.write(data)

    def attach(self, writer: asyncio.StreamWriter) -> None:
        """Send *writer* the last output, and everything that follows."""
        writer.write(b"".join(self._recent)[-RECENT_BYTES:])
        self._attached.add(writer)

    def detach(self, writer: asyncio.StreamWriter) -> None:
        self._attached.discard(writer)

    def close(self) -> None:
        super().close()
        self._log.close()
        for writer in self._attached:
            writer.close()
        self._attached.clear()


class ControlLine(SerialLine):
    """The control line. Calls back with every message; other lines are logged and ignored."""

    def __init__(self, name: str, on_message: Callable[[Message], None]) -> None:
        super().__init__(name)
        self._on_message = on_message
        self._lines = LineBuffer()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            try:
                message = parse_message(line)
            except ControlError as error:
                log.warning("%s: ignored %r: %s", self.name, line[:200], error)
                continue
            self._on_message(message)
