"""Holds frames back. The supervisor runs ``python -m ssiuml.cluster.delay_line`` while it delays nodes.

The bridge drops the frames between these nodes (ssiuml.cluster.faults). This process sees them by a packet
socket at the port of their sender, and later puts them out at the port of their receiver. The kernel's netem
does the same, but many kernels do not have it, and a user cannot load it.

Standard input has lines of JSON, each a list of delays that replaces the one before:
``[[SENDER, RECEIVER, SECONDS, SHARE_LOST], ...]``. Each is answered with the line ``ok``. Frames that are
held back already stay so. When standard input ends, the process sends what it holds and ends.
"""

import ctypes
import errno
import heapq
import itertools
import json
import os
import random
import selectors
import socket
import struct
import sys
import time
from collections.abc import Collection
from typing import Final

from ssiuml.cluster.ports import bridge_end, mac_address

# Source: linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h, linux/virtio_net.h (virtio_net_hdr).
PACKET_VNET_HDR: Final = 15
PACKET_QDISC_BYPASS: Final = 20
PACKET_IGNORE_OUTGOING: Final = 23
SOL_PACKET: Final = 263
ETH_P_ALL: Final = 3
SO_ATTACH_FILTER: Final = 26
VNET_HEADER_BYTES: Final = 10
MAX_FRAME_BYTES: Final = VNET_HEADER_BYTES + 14 + (1 << 16)
# More than that is dropped: a quarter of a second at 2 Gbit/s.
MAX_HELD_BYTES: Final = 64 << 20
RECEIVE_BYTES: Final = 4 << 20
READ_AT_ONCE: Final = 64
_NODES: Final = mac_address(0)[:5]  # so begin the addresses of nodes and bridge


class DelayLine:
    """Frames on their way, and the sockets at the ports of the nodes."""

    def __init__(self) -> None:
        self._selector = selectors.SelectSelector()
        self._delays: dict[int, dict[int, tuple[float, float]]] = {}  # by sender, by receiver
        self._sockets: dict[int, socket.socket] = {}  # by node
        self._held: list[tuple[float, int, int, bytes]] = []  # a heap: when due, turn, receiver, frame
        self._held_bytes = 0
        self._turns = itertools.count()
        self._lines = b""

    def run(self) -> None:
        """Obey orders and hold back frames until standard input has ended and all frames are sent."""
        orders = sys.stdin.fileno()
        self._selector.register(orders, selectors.EVENT_READ, None)
        print("ok", flush=True)
        has_ended = False
        while not has_ended or self._held:
            left_s = max(0.0, self._held[0][0] - time.monotonic()) if self._held else None
            for key, _ in self._selector.select(left_s):
                if key.data is None:
                    has_ended = not self._read_orders(orders)
                    if has_ended:
                        self._selector.unregister(orders)
                else:
                    self._read_frames(key.data)
            self._send_what_is_due()

    def _read_orders(self, orders: int) -> bool:
        data = os.read(orders, 1 << 16)
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
            print("ok", flush=True)
        return bool(data)

    def _obey(self, orders: list[tuple[int, int, float, float]]) -> None:
        """Take new delays. All sockets are opened again: a node that was started again has a new port."""
        for stream in self._sockets.values():
            self._selector.unregister(stream)
            stream.close()
        self._sockets, self._delays = {}, {}
        for sender, receiver, delay_s, lost in orders:
            self._delays.setdefault(sender, {})[receiver] = (delay_s, lost)
        nodes = {node for order in orders for node in order[:2]}
        for node in nodes | {receiver for _, _, receiver, _ in self._held}:
            try:
                stream = open_port(bridge_end(node), self._delays.get(node, {}))
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                continue  # that node does not run
            self._sockets[node] = stream
            self._selector.register(stream, selectors.EVENT_READ, node)

    def _read_frames(self, sender: int) -> None:
        for _ in range(READ_AT_ONCE):
            try:
                frame = self._sockets[sender].recv(MAX_FRAME_BYTES)
            except OSError:  # there is no more, or the port is gone
                return
            now = time.monotonic()
            for receiver in receivers_of(frame, self._delays.get(sender, {})):
                delay_s, lost = self._delays[sender][receiver]
                if random.random() < lost or self._held_bytes + len(frame) > MAX_HELD_BYTES:  # noqa: S311
                    continue
                self._held_bytes += len(frame)
                heapq.heappush(self._held, (now + delay_s, next(self._turns), receiver, frame))

    def _send_what_is_due(self) -> None:
        now = time.monotonic()
        while self._held and self._held[0][0] <= now:
            _, _, receiver, frame = heapq.heappop(self._held)
            self._held_bytes -= len(frame)
            try:
                self._sockets[receiver].send(frame)
            except (OSError, KeyError):
                continue  # the port is gone or full: the frame is lost


def receivers_of(frame: bytes, receivers: Collection[int]) -> list[int]:
    """Return which of the *receivers* get a frame, with its virtio header: one of them, or all, or none."""
    target = frame[VNET_HEADER_BYTES : VNET_HEADER_BYTES + 6]
    named = [node for node in receivers if mac_address(node) == target]
    if named or target.startswith(_NODES):
        return named
    return list(receivers)  # broadcast, multicast, or something behind a node


def open_port(interface: str, receivers: Collection[int]) -> socket.socket:
    """Return a packet socket at a port of the bridge. It gets frames that come in for one of *receivers*.

    Raise OSError with ENODEV if there is no such port.
    """
    stream = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        stream.setblocking(False)
        stream.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        stream.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        stream.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        attach_filter(stream, filter_program(receivers))
        stream.bind((interface, ETH_P_ALL if receivers else 0))
    except BaseException:
        stream.close()
        raise
    return stream


def filter_program(receivers: Collection[int]) -> list[tuple[int, int, int, int]]:
    """Return a program of the classic packet filter (linux/filter.h: code, jt, jf, k).

    It passes what ``receivers_of`` gives to one of *receivers*, so that a node's other traffic, at several
    Gbit/s, does not fill the socket.
    """
    load_half, load_word, equal, give = 0x28, 0x20, 0x15, 0x06
    start, first = struct.unpack("!HI", mac_address(0))
    ordered = sorted(receivers)
    count = len(ordered)
    return [
        (load_half, 0, 0, 0),
        (equal, 0, count + 4, start),  # else pass
        (load_word, 0, 0, 2),
        *((equal, count - index + 2, 0, first | node) for index, node in enumerate(ordered)),
        (0x54, 0, 0, 0xFFFFFF00),  # and
        (equal, 0, 1, first),  # else pass
        (give, 0, 0, 0),
        (give, 0, 0, 0x40000),
    ]


def attach_filter(stream: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    """Attach a program of the classic packet filter to a socket."""
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code)
    # struct sock_fprog: a count and a pointer.
    described = struct.pack("@HP", len(program), ctypes.addressof(held))
    stream.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)


def main() -> int:
    DelayLine().run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
