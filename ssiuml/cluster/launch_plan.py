"""plan.json: how a supervisor starts the nodes of its cluster.

ssi-start writes the file before it launches the supervisor. It does not change afterwards.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host.files import write_text

# The image's token timeout is for a quiet machine and up to so many nodes.
QUIET_NODES: Final = 3
PER_NODE_MS: Final = 250  # more for each further node
# With more nodes than this on each processor, a node may wait long for its turn.
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
    network: str  # node N has the Nth address of it
    memory_mib: int
    token_ms: int
    planned_nodes: int  # token_ms is enough for so many nodes
    ready_limit_s: float
    parameters: tuple[str, ...] = ()  # more kernel parameters, from the image and from the user
    processors: tuple[int, ...] = ()  # each node runs on one of these; (): on any
    root_cidev: Path | None = None  # the device with the lock server table of a GFS1 root
    initrd_memexp: Path | None = None  # the RAM disk of the lock server of a GFS1 root

    def address_of(self, node: int) -> IPv4Interface:
        """Return the address of a node, with the length of the network's prefix."""
        network = IPv4Network(self.network)
        return IPv4Interface((network.network_address + node, network.prefixlen))

    @property
    def supervisor_address(self) -> IPv4Interface:
        """The address of the bridge, by which the supervisor reaches the nodes: the network's last one.

        Raise SsiumlError if the nodes have taken all addresses.
        """
        network = IPv4Network(self.network)
        last = network.num_addresses - 2  # the last one of all is the broadcast
        if last <= self.node_limit:
            raise SsiumlError(
                f"the network {network} has no address besides those of its {self.node_limit} nodes",
                hint="build an image with a larger cluster.network, such as 192.168.50.0/24",
            )
        return self.address_of(last)

    @property
    def has_lock_server(self) -> bool:
        """Whether the root is GFS1 with memexp. Its nodes run Linux 2.4 and have no control line."""
        return self.initrd_memexp is not None

    def processor_of(self, number: int) -> int | None:
        """Return the processor that node *number* runs on: each of ``processors`` in turn, None if any."""
        return self.processors[(number - 1) % len(self.processors)] if self.processors else None


def write_launch_plan(path: Path, plan: LaunchPlan) -> None:
    """Write plan.json."""
    values = {
        name: str(value) if name in _PATHS and value is not None else value
        for name, value in asdict(plan).items()
    }
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")


def read_launch_plan(path: Path) -> LaunchPlan:
    """Read plan.json. Raise SsiumlError if it is missing, damaged or of another version."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(LaunchPlan)}
        if set(values) != known:
            raise ValueError("it is of another version of this program")
        paths = {key: Path(values[key]) for key in _PATHS if values[key] is not None}
        values.update(paths, **{key: tuple(values[key]) for key in ("parameters", "processors")})
        return LaunchPlan(**values)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SsiumlError(
            f"{path}: cannot be read: {error}", hint="run ssi-start, which writes it again"
        ) from error


def token_ms(image_token_ms: int, nodes: int, cores: int) -> int:
    """Return corosync's token timeout in milliseconds, the same for all nodes of a cluster.

    *image_token_ms* is the image's timeout. The timeout grows with the nodes, since a node that waits for one
    of the *cores* processors must not be taken for dead.
    """
    token = image_token_ms + PER_NODE_MS * max(0, nodes - QUIET_NODES)
    return 2 * token if cores * NODES_PER_CORE < nodes else token


def require_node(number: int, node_limit: int) -> None:
    """Raise UsageError if an image with nodes 1 to *node_limit* has no node *number*."""
    if not 1 <= number <= node_limit:
        raise UsageError(f"node {number}: is not one of 1 to {node_limit}, the nodes of this image")


def processors_to_pin_to(allowed: Collection[int]) -> tuple[int, ...]:
    """Return the processors for the nodes of a cluster, of those *allowed*; () if there is only one.

    User-Mode Linux moves a system call of its guest between two processes. An idle host spreads them over two
    processors, and each wake-up across them takes longer than most system calls.
    """
    return tuple(sorted(allowed)) if len(allowed) > 1 else ()
