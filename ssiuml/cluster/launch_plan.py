"""plan.json: what a supervisor needs to know to start nodes. ssi-start writes it, nobody changes it later."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.atomic import write_text

QUIET_NODES: Final = 3
PER_NODE_MS: Final = 250
# With fewer processors than a quarter of the nodes, each waits for its turn.
NODES_PER_CORE: Final = 4
_PATHS: Final = ("kernel", "initrd", "root_fs", "image", "root_cidev", "initrd_memexp")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """How all nodes of a cluster are started."""

    image: Path  # the folder with the manifest
    kernel: Path
    initrd: Path
    root_fs: Path
    node_limit: int
    memory_mib: int
    token_ms: int
    planned_nodes: int  # the token is for so many
    ready_limit_s: float
    parameters: tuple[str, ...] = ()  # more kernel parameters, the image's and the user's
    root_cidev: Path | None = None  # the lock table of a GFS1 root
    initrd_memexp: Path | None = None  # the RAM disk of its lock server

    @property
    def has_lock_server(self) -> bool:
        """Whether the root is GFS1 with memexp: nodes of Linux 2.4, which say nothing on a control line."""
        return self.initrd_memexp is not None


def write_launch_plan(path: Path, plan: LaunchPlan) -> None:
    values = {
        name: str(value) if name in _PATHS and value is not None else value
        for name, value in asdict(plan).items()
    }
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")


def read_launch_plan(path: Path) -> LaunchPlan:
    """Read plan.json; SsiumlError if that cannot be done."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(LaunchPlan)}
        if set(values) != known:
            raise ValueError("it is of another version of this program")
        paths = {key: Path(values[key]) for key in _PATHS if values[key] is not None}
        values.update(paths, parameters=tuple(values["parameters"]))
        return LaunchPlan(**values)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SsiumlError(f"{path}: cannot be read: {error}", hint="ssi-start writes it anew") from error


def token_ms(image_token_ms: int, nodes: int, cores: int) -> int:
    """How long the token may be away before a node is expelled; the same for all nodes of a cluster."""
    token = image_token_ms + PER_NODE_MS * max(0, nodes - QUIET_NODES)
    return 2 * token if cores * NODES_PER_CORE < nodes else token
