#!/usr/bin/env -S python3 -I -S
"""A uml_switch whose network can be cut.

A link to it named ``uml_switch``, first on the PATH, replaces the real one. The file ``cut`` beside its
socket holds the node numbers of one side, with spaces between them. While the file exists, no frame passes
between these nodes and the others. Protocol: uml-utilities, uml_switch/uml_switch.c, version 3 (struct
request_v3: magic, version, type, sockaddr_un of the node's data socket; the answer is the sockaddr_un of the
switch's).
"""

import contextlib
import os
import select
import socket
import struct
import sys

REQUEST = struct.Struct("=III110s")
MAGIC, VERSION = 0xFEEDFACE, 3
SUN_PATH_BYTES = 108


def main() -> None:
    path = sys.argv[sys.argv.index("-unix") + 1]
    cut = os.path.join(os.path.dirname(path), "cut")  # noqa: PTH118, PTH120 - pathlib would be slow to import
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.bind(path)
    control.listen(16)
    data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"\0cut-switch-{os.getpid()}".encode().ljust(SUN_PATH_BYTES, b"\0")
    data.bind(name)
    answer = struct.pack("=H108s", socket.AF_UNIX, name)
    ports: dict[int, tuple[socket.socket, bytes]] = {}
    numbers: dict[bytes, int] = {}  # node numbers by data socket
    while True:
        readable, _, _ = select.select([control, data, *(stream for stream, _ in ports.values())], [], [])
        for ready in readable:
            if ready is control:
                stream, _ = control.accept()
                ports[stream.fileno()] = (stream, b"")
            elif ready is data:
                frame, sender = data.recvfrom(65536)
                numbers[sender] = frame[11]  # the last byte of the sender's MAC address
                side: set[int] = set()
                with contextlib.suppress(OSError, ValueError), open(cut) as lines:  # noqa: PTH123
                    side = {int(word) for word in lines.read().split()}
                for _, address in ports.values():
                    if address in ("", b"", sender):
                        continue
                    if (numbers.get(address, 0) in side) != (numbers[sender] in side):
                        continue
                    with contextlib.suppress(OSError):
                        data.sendto(frame, address)
            else:
                request = ready.recv(4096)  # the structure ends with two bytes of padding
                if len(request) < REQUEST.size:
                    del ports[ready.fileno()]
                    ready.close()
                    continue
                _, _, _, address = REQUEST.unpack_from(request)
                ports[ready.fileno()] = (ready, trimmed(address[2:]))
                ready.sendall(answer)


def trimmed(path: bytes) -> bytes:
    """Return the address as recvfrom gives it: an abstract address has all bytes of sun_path."""
    return path if path.startswith(b"\0") else path.rstrip(b"\0")


main()
