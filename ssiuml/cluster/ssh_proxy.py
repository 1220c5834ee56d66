"""ssh's ProxyCommand: connects to the unix socket of a node and hands the connection to ssh (ProxyUseFdpass).

ssh runs this file as a script with `python -I -S`. It ends as soon as ssh has the connection, and imports as
little as it can.
"""

import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(sys.argv[1])
        except OSError as error:
            sys.exit(f"{sys.argv[1]}: {error.strerror}")
        with socket.socket(fileno=1) as ssh:
            socket.send_fds(ssh, [b"\0"], [line.fileno()])
