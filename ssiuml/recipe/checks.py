"""Rules that tie keys of a recipe to each other; each check yields what breaks its rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ssiuml.recipe.problems import Problem
from ssiuml.units import MIB, format_size

if TYPE_CHECKING:
    from ssiuml.recipe.model import Cluster, Filesystem, Sizes, UserFile

MAX_NODES = 15
LEAST_TREE_BYTES = 64 * MIB


def check_all(
    sizes: Sizes | None, filesystem: Filesystem | None, cluster: Cluster | None, files: tuple[UserFile, ...]
) -> Iterator[Problem]:
    """Yield what breaks a rule; rules about a part that is None, being wrong in itself, are left out."""
    if filesystem and cluster:
        yield from check_journals(filesystem, cluster)
    if sizes and filesystem:
        yield from check_root_size(sizes, filesystem)
    if cluster:
        yield from check_cluster(cluster)
    yield from check_file_paths(files)


def check_journals(filesystem: Filesystem, cluster: Cluster) -> Iterator[Problem]:
    """Every node needs a journal of its own, and nodes that share need locks."""
    journals, nodes = filesystem.journals, cluster.node_limit
    if journals < nodes:
        yield Problem(
            ("filesystem", "journals"),
            f"{journals} is too few for cluster.node_limit: {nodes}",
            f"every node that mounts the root needs its own journal; set journals: {nodes} or more",
        )
    if filesystem.lock_protocol == "lock_nolock" and nodes > 1:
        yield Problem(
            ("filesystem", "lock_protocol"),
            f"lock_nolock is for one node, and cluster.node_limit is {nodes}",
            "nodes that write without locks destroy the file system; set lock_dlm, or node_limit: 1",
        )


def check_root_size(sizes: Sizes, filesystem: Filesystem) -> Iterator[Problem]:
    """The root must hold its journals and something besides; the tree's real size is checked later."""
    path = ("sizes", "root_fs")
    journals_bytes = filesystem.journals * filesystem.journal_size_bytes
    # mkfs.gfs2 gives its journals no more than half of the file system.
    least_bytes = max(journals_bytes + LEAST_TREE_BYTES, 2 * journals_bytes)
    if sizes.root_fs_bytes < least_bytes:
        yield Problem(
            path,
            f"{format_size(sizes.root_fs_bytes)} is too small: {filesystem.journals} journals of "
            f"{format_size(filesystem.journal_size_bytes)} and {format_size(LEAST_TREE_BYTES)} for files "
            f"need at least {format_size(least_bytes, exact=True)}",
            "make root_fs larger, or set fewer or smaller journals in filesystem",
        )
    if sizes.root_fs_bytes % filesystem.block_size:
        yield Problem(
            path,
            f"{format_size(sizes.root_fs_bytes, exact=True)} is not a multiple of "
            f"filesystem.block_size: {filesystem.block_size}",
            "write it in MiB",
        )


def check_cluster(cluster: Cluster) -> Iterator[Problem]:
    """The network must have an address for every node, and corosync's timeouts must be in proportion."""
    # The first address names the network and the last one is the broadcast.
    usable = max(cluster.network.num_addresses - 2, 0)
    if usable < cluster.node_limit:
        yield Problem(
            ("cluster", "network"),
            f"{cluster.network} has {usable} addresses for nodes, too few for "
            f"cluster.node_limit: {cluster.node_limit}",
            "take a larger network, such as 192.168.50.0/24",
        )
    timings = cluster.timings
    # In whole numbers: 1.2 x 5 is 6.0 for people and a little less or more in binary.
    if timings.consensus_ms * 10 < timings.token_ms * 12:
        least_ms = -(-timings.token_ms * 12 // 10)
        yield Problem(
            ("cluster", "timings", "consensus_ms"),
            f"{timings.consensus_ms} is less than 1.2 x token_ms: {timings.token_ms}",
            f"corosync's rule; set consensus_ms: {least_ms} or more",
        )
    if timings.join_ms > timings.consensus_ms:
        yield Problem(
            ("cluster", "timings", "join_ms"),
            f"{timings.join_ms} is more than consensus_ms: {timings.consensus_ms}",
            f"corosync would not start; set join_ms: {timings.consensus_ms} or less",
        )


def check_file_paths(files: tuple[UserFile, ...]) -> Iterator[Problem]:
    """No two files may go to the same path in the image."""
    first: dict[str, int] = {}
    for index, file in enumerate(files):
        if file.path in first:
            yield Problem(
                ("files", index, "path"),
                f"'{file.path}' is also the path of files[{first[file.path]}]",
                "remove one of them",
            )
        first.setdefault(file.path, index)
