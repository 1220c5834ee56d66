"""Paths of the files of a running cluster. Every command imports this module: keep heavy imports out."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.host.places import state_root

DEFAULT_CLUSTER: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class ClusterFolder:
    """The folder of one cluster, with the path of each file in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state.json"
        self.plan = path / "plan.json"
        self.lock = path / "start.lock"
        self.socket = path / "supervisor.sock"
        self.forward_socket = path / "forward.sock"
        self.log = path / "supervisor.log"
        self.switch = path / "switch.ctl"
        self.uplink_log = path / "uplink.log"
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

    def ssh_log(self, node: int) -> Path:
        """Return the file with what the ssh connection to a node has printed."""
        return self.path / f"line-{node}.log"

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

    Raise UsageError if the name is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--cluster {name!r}: is not a valid name of a cluster",
            hint="give 1 to 32 letters, digits, '-' and '_'; the first must be a letter or a digit",
        )
    return ClusterFolder(state_root(environ) / name)
