"""The door: ssh into a node over its serial line. One master connection per node carries every session.

The supervisor runs the master, so that two commands at once cannot both open the line, and so that it ends
with the node. The commands only multiplex over its ControlPath. Imported on the fast path of ssi-exec:
nothing heavy here.
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
# A paused node may come back; it is the cluster that decides whether it is dead. This only ends a session
# with a node that does not.
_ALIVE_INTERVAL_S: Final = 10
_ALIVE_COUNT: Final = 6


def _options(folder: ClusterFolder, node: int) -> list[str]:
    # -F none: no user's or system's configuration decides what happens here.
    return ["-F", "none", "-o", f"ControlPath={folder.ssh_control_path(node)}", "-o", "LogLevel=ERROR"]


def master_command(folder: ClusterFolder, node: int) -> list[str]:
    """The connection that all sessions share; it runs in the foreground until the node's end."""
    # ssh expands % in this line and gives it to a shell, with exec before it. -I -S: no site packages, it
    # starts in some milliseconds.
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
    """A session over the master. One word is a line for the node's shell, several are passed on unchanged."""
    import shlex

    line = [command[0] if len(command) == 1 else shlex.join(command)] if command else []
    return [
        "ssh",
        *_options(folder, node),
        *("-o", "ControlMaster=no"),
        # Without a master ssh would look for a host of this name on the network.
        *("-o", "ProxyCommand=false"),
        *("-e", "none"),
        "-tt" if terminal else "-T",
        f"root@node{node}",
        *(["--", *line] if line else []),
    ]


def is_connected(path: Path) -> bool:
    """Whether a master listens on the ControlPath *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
