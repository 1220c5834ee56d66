"""Where the files of a running cluster lie. Imported by every command: nothing heavy here."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.errors import UsageError

DEFAULT_CLUSTER: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# sizeof(sun_path) in linux/un.h is 108 with the NUL. The longest name below the folder is ssh's, which adds a
# dot and 16 letters to the socket's name while it makes it: "/ssh-15.0123456789abcdef".
SUN_PATH_BYTES: Final = 108
_LONGEST_BYTES: Final = len("/ssh-15.0123456789abcdef") + 1


def state_root(environ: Mapping[str, str]) -> Path:
    """$XDG_STATE_HOME/ssiuml, else ~/.local/state/ssiuml (XDG base directories)."""
    base = Path(environ.get("XDG_STATE_HOME", ""))
    # The specification: a path that is not absolute is to be ignored.
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "ssiuml"


class ClusterFolder:
    """The folder of one cluster; a path for each thing in it."""

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
        self.crashed = path / "root.crashed"  # a node crashed since fsck.gfs2 has last seen the root
        self.initrd = path / "initrd"
        self.keys = path / "keys"
        self.uml = path / "uml"

    @property
    def name(self) -> str:
        return self.path.name

    def console_log(self, node: int) -> Path:
        return self.path / f"console-{node}.log"

    def ssh_socket(self, node: int) -> Path:
        return self.path / f"door-{node}.sock"

    def ssh_control_path(self, node: int) -> Path:
        """ssh's ControlPath of a node."""
        return self.path / f"ssh-{node}"

    def make(self) -> None:
        """Make the folder, for its owner alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        for folder in (self.keys, self.uml):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)


def cluster_folder(name: str, environ: Mapping[str, str]) -> ClusterFolder:
    """The folder of the cluster *name*. UsageError if the name will not do, or its sockets' names were too
    long.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--cluster {name!r}: is no name of a cluster",
            hint="1 to 32 letters, digits, '-' and '_', the first a letter or a digit",
        )
    folder = state_root(environ) / name
    length = len(os.fsencode(folder))
    limit = SUN_PATH_BYTES - _LONGEST_BYTES
    if length > limit:
        raise UsageError(
            f"{folder}: {length} bytes are too long for the sockets in it, at most {limit}",
            hint="a shorter --cluster, or XDG_STATE_HOME=/a/shorter/folder",
        )
    return ClusterFolder(folder)
