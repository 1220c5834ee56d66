"""Frames on the door's line, and how much may be on the way: cluster-tools/README.md, "The door".

User-Mode Linux never reads a serial line again once its input buffer has been full, so no more than the
window is sent before the guest has acknowledged it. Pure: bytes in, bytes out.
"""

import struct
from collections import deque
from typing import Final, NamedTuple

WINDOW_BYTES: Final = 3072
# Small enough that several frames fit into the window: sessions take turns.
PAYLOAD_BYTES: Final = 1020
CHANNELS: Final = 256
_HEADER: Final = struct.Struct(">cBH")
_HELLO: Final = b"H"
_HELLO_BYTES: Final = 16
_TYPES: Final = b"HAODC"
_HELLO_START: Final = _HEADER.pack(_HELLO, 0, _HELLO_BYTES)


class Frame(NamedTuple):
    """One frame."""

    kind: bytes
    channel: int
    payload: bytes = b""

    def encode(self) -> bytes:
        return _HEADER.pack(self.kind, self.channel, len(self.payload)) + self.payload


class FrameReader:
    """Cuts what the node sends into frames; after rubbish it goes on when the guest's side starts again."""

    def __init__(self) -> None:
        self._rest = b""

    def clear(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
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


class Window:
    """What waits to be sent, and what has been sent and not yet acknowledged."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._on_the_way = 0
        self._is_open = False

    def begin(self, hello: Frame) -> bytes:
        """The guest's side has started: nothing is on the way. Returns what to send."""
        self._waiting.clear()
        answer = hello.encode()
        self._on_the_way = len(answer)
        self._is_open = True
        return answer

    def close(self) -> None:
        """The guest's side is gone: nothing may be sent until it begins again."""
        self._is_open = False
        self._waiting.clear()

    @property
    def is_open(self) -> bool:
        return self._is_open

    def put(self, frame: Frame) -> None:
        self._waiting.append(frame.encode())

    def acknowledge(self, frame: Frame) -> None:
        self._on_the_way = max(0, self._on_the_way - int.from_bytes(frame.payload[:2], "big"))

    def take(self) -> bytes:
        """What may be sent now."""
        taken = []
        while self._is_open and self._waiting and self._on_the_way + len(self._waiting[0]) <= WINDOW_BYTES:
            frame = self._waiting.popleft()
            self._on_the_way += len(frame)
            taken.append(frame)
        return b"".join(taken)

    @property
    def waiting_bytes(self) -> int:
        return sum(map(len, self._waiting))
