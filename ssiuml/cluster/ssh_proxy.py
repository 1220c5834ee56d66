"""ssh's ProxyCommand: connect to the unix socket of a door and hand the connection to ssh (ProxyUseFdpass).

Run as a script by `python -I -S`: it ends as soon as ssh has the connection, and imports next to nothing.
"""

import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        try:
            door.connect(sys.argv[1])
        except OSError as error:
            sys.exit(f"{sys.argv[1]}: {error.strerror}")
        with socket.socket(fileno=1) as ssh:
            socket.send_fds(ssh, [b"\0"], [door.fileno()])
