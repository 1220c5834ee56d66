"""Command lines of ssh into a node. One master connection per node carries all its sessions (ControlMaster).

The supervisor runs the master: two commands cannot open the line at the same time, and the master ends with
its node. The commands only use its ControlPath. ssi-exec imports this module before its session begins: keep
heavy imports out.
"""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cluster import ssh_proxy
from ssiuml.cluster.paths import ClusterFolder

HOST_ALIAS: Final = "ssiuml-node"
# ssh ends the sessions of a node that has not answered for a minute. Only the cluster decides whether it
# is dead: a paused node may come back.
_ALIVE_INTERVAL_S: Final = 10
_ALIVE_COUNT: Final = 6


def _options(folder: ClusterFolder, node: int) -> list[str]:
    # -F none: the configuration of the user and of the system must not change anything here.
    return ["-F", "none", "-o", f"ControlPath={folder.ssh_control_path(node)}", "-o", "LogLevel=ERROR"]


def master_command(folder: ClusterFolder, node: int) -> list[str]:
    """Return the command line of the master connection. It runs in the foreground until the node ends."""
    # ssh expands % in this line and runs it in a shell, with exec before it. With -I -S Python does not look
    # for site packages and starts in a few milliseconds.
    words = [sys.executable, "-I", "-S", ssh_proxy.__file__, str(folder.ssh_socket(node))]
    proxy = " ".join("'" + word.replace("'", "'\\''").replace("%", "%%") + "'" for word in words)
    settings = {
        "ControlMaster": "yes",
        "ControlPersist": "no",
        "ProxyCommand": proxy,
        "ProxyUseFdpass": "yes",
        "BatchMode": "yes",
        "HostKeyAlias": HOST_ALIAS,
        "UserKnownHostsFile": f'"{folder.keys / "known_hosts"}"',
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "IdentityFile": f'"{folder.keys / "user_key"}"',
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "ServerAliveInterval": str(_ALIVE_INTERVAL_S),
        "ServerAliveCountMax": str(_ALIVE_COUNT),
        "ForwardAgent": "no",
        "ForwardX11": "no",
    }
    return [
        "ssh",
        *_options(folder, node),
        *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
        "-N",
        "-T",
        f"root@node{node}",
    ]


def session_command(folder: ClusterFolder, node: int, command: Sequence[str], *, terminal: bool) -> list[str]:
    """Return the command line of a session over the master connection.

    One word in *command* is a line for the node's shell. Several words reach the program unchanged.
    """
    import shlex

    line = [command[0] if len(command) == 1 else shlex.join(command)] if command else []
    return [
        "ssh",
        *_options(folder, node),
        *("-o", "ControlMaster=no"),
        # If there is no master, ssh must not look for a host of this name on the network.
        *("-o", "ProxyCommand=false"),
        *("-e", "none"),
        "-tt" if terminal else "-T",
        f"root@node{node}",
        *(["--", *line] if line else []),
    ]


def is_connected(path: Path) -> bool:
    """Return whether a master listens on the ControlPath *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
