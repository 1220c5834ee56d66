"""Unix sockets in folders with long names. ssi-exec imports this module: keep heavy imports out.

The address of a socket holds 107 bytes of its name (sun_path in linux/un.h). So the name is given relative to
an open folder.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path


def connect(path: Path, limit_s: float | None = None) -> socket.socket:
    """Return a connection to the socket *path*, with *limit_s* as its time limit, which holds here, too.

    Raise OSError if nobody listens there.
    """
    return _opened(path, socket.socket.connect, limit_s)


def listen(path: Path) -> socket.socket:
    """Return a socket that is bound to *path*. A file there is removed."""
    path.unlink(missing_ok=True)
    return _opened(path, socket.socket.bind)


def _opened(
    path: Path, use: Callable[[socket.socket, str], None], limit_s: float | None = None
) -> socket.socket:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(limit_s)
    try:
        use(stream, f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        stream.close()
        raise
    finally:
        os.close(folder)
    return stream
