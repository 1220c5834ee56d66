"""Paths of the files of a running cluster. Every command imports this module: keep heavy imports out."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.host.places import state_root

DEFAULT_CLUSTER: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# sizeof(sun_path) in linux/un.h is 108 with the NUL. The longest name in the folder is ssh's: while it makes
# its socket it adds a dot and 16 letters to the name, "/ssh-15.0123456789abcdef".
SUN_PATH_BYTES: Final = 108
_LONGEST_BYTES: Final = len("/ssh-15.0123456789abcdef") + 1


class ClusterFolder:
    """The folder of one cluster, with the path of each file in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state.json"
        self.plan = path / "plan.json"
        self.lock = path / "start.lock"
        self.socket = path / "supervisor.sock"
        self.log = path / "supervisor.log"
        self.switch = path / "switch.ctl"
        self.root_fs = path / "root_fs"
        self.root_origin = path / "root.json"
        self.crashed = path / "root.crashed"  # exists if a node crashed after the last fsck.gfs2
        self.initrd = path / "initrd"
        self.keys = path / "keys"
        self.uml = path / "uml"

    @property
    def name(self) -> str:
        return self.path.name

    def console_log(self, node: int) -> Path:
        return self.path / f"console-{node}.log"

    def ssh_socket(self, node: int) -> Path:
        """Return the socket that ssh reaches a node by."""
        return self.path / f"line-{node}.sock"

    def ssh_control_path(self, node: int) -> Path:
        """Return the ControlPath of the ssh connection to a node."""
        return self.path / f"ssh-{node}"

    def make(self) -> None:
        """Make the folder. Only its owner may enter it."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        for folder in (self.keys, self.uml):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)


def cluster_folder(name: str, environ: Mapping[str, str]) -> ClusterFolder:
    """Return the folder of the cluster *name*.

    Raise UsageError if the name is not allowed, or if the folder's path is too long for the sockets in it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--cluster {name!r}: is not a valid name of a cluster",
            hint="give 1 to 32 letters, digits, '-' and '_'; the first must be a letter or a digit",
        )
    folder = state_root(environ) / name
    length = len(os.fsencode(folder))
    limit = SUN_PATH_BYTES - _LONGEST_BYTES
    if length > limit:
        raise UsageError(
            f"{folder}: {length} bytes are too long for the sockets in it, the limit is {limit} bytes",
            hint="give a shorter --cluster, or set XDG_STATE_HOME to a shorter path",
        )
    return ClusterFolder(folder)
