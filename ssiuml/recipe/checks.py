"""Rules that tie keys of a recipe to each other; each check yields what breaks its rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ssiuml.recipe.cluster import Cluster, LockServer, Timings
from ssiuml.recipe.distribution import Distribution
from ssiuml.recipe.filesystem import Filesystem, Sizes, Tools
from ssiuml.recipe.initrd import Initrd
from ssiuml.recipe.inputs import ClusterTools, Demo, Download, OpenGfs, UserFile
from ssiuml.recipe.kernel import TODAY, Kernel
from ssiuml.recipe.problems import KeyPath, Problem
from ssiuml.units import MIB, format_size

LEAST_TREE_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a recipe that rules look at; None stands for one that is wrong in itself.

    The names are those of the recipe's keys.
    """

    distribution: Distribution | None
    sources: Mapping[str, Download] | None
    packages: tuple[str, ...] | None
    extra_packages: tuple[str, ...] | None
    files: tuple[UserFile, ...] | None
    sizes: Sizes | None
    filesystem: Filesystem | None
    cluster: Cluster | None
    tools: Tools | None
    cluster_tools: ClusterTools | None
    kernel: Kernel | None
    initrd: Initrd | None
    demo: Demo | None
    opengfs: OpenGfs | None


def check_all(parts: Parts) -> Iterator[Problem]:
    """Yield what breaks a rule; rules about a part that is wrong in itself are left out."""
    filesystem, cluster, sizes = parts.filesystem, parts.cluster, parts.sizes
    yield from check_packages(parts)
    if parts.sources is not None:
        yield from check_sources(parts, parts.sources)
    if filesystem and cluster:
        yield from check_journals(filesystem, cluster)
        yield from check_locks(filesystem, cluster)
    if sizes and filesystem:
        yield from check_root_size(sizes, filesystem)
    if filesystem and parts.tools:
        yield from check_tools(parts.tools, filesystem)
    if cluster:
        yield from check_cluster(cluster)
    if parts.kernel and parts.initrd:
        yield from check_boot(parts.kernel, parts.initrd)
    if parts.kernel:
        yield from check_kernel(parts.kernel, parts)
    if parts.kernel and filesystem and _is_of_today(parts.kernel) != (filesystem.type == "gfs2"):
        wanted = "gfs2" if _is_of_today(parts.kernel) else "gfs1"
        yield Problem(
            ("filesystem", "type"),
            f"{filesystem.type} cannot be mounted by the kernel of kernel.source: {parts.kernel.source}",
            f"set type: {wanted}; GFS1 is for Linux 2.4, GFS2 for that of today",
        )
    yield from check_file_paths(parts.files or ())


def check_packages(parts: Parts) -> Iterator[Problem]:
    """Packages are installed into a base of packages, and nowhere else."""
    if parts.distribution is None:
        return
    if parts.distribution.base == "packages":
        if parts.packages == ():
            yield Problem(("packages",), "is missing", "add packages: the packages to install")
        return
    if parts.cluster_tools == "builtin":
        yield Problem(
            ("cluster_tools",),
            "the builtin ones are for a base of packages, and distribution.base is image",
            "set cluster_tools: {source: SOURCE} or {folder: DIR}",
        )
    for key in ("packages", "extra_packages"):
        if getattr(parts, key):
            yield Problem(
                (key,),
                "is for a base of packages, and distribution.base is image",
                "leave it out, or put them in files",
            )
    if parts.kernel and _is_of_today(parts.kernel):
        yield Problem(
            ("kernel", "source"),
            f"{parts.kernel.source} is for a base of packages, and distribution.base is image",
            "set source: release, cvs or none",
        )


def source_uses(parts: Parts) -> Iterator[tuple[KeyPath, str]]:
    """Yield where a source is named, and which."""
    kernel = parts.kernel
    modules, ssi = getattr(kernel, "modules", None), getattr(kernel, "ssi", None)
    uses: list[tuple[KeyPath, object]] = [
        (("distribution", "source"), parts.distribution),
        (("cluster_tools", "source"), parts.cluster_tools),
        (("demo", "source"), parts.demo),
        (("opengfs", "source"), parts.opengfs),
        (("kernel", "base"), kernel),
        (("kernel", "ssi"), kernel if isinstance(ssi, str) else None),
        (("kernel", "ssi", "source"), ssi),
        (("kernel", "ci", "source"), getattr(kernel, "ci", None)),
        (("kernel", "modules", "from_image"), modules),
        (("kernel", "modules", "source"), modules),
    ]
    for path, part in uses:
        name = getattr(part, str(path[-1]), None)
        if name is not None:
            yield path, str(name)


def check_sources(parts: Parts, sources: Mapping[str, Download]) -> Iterator[Problem]:
    """What is taken from a source must be there, and no two sources may be the same file."""
    there = ", ".join(sources) or "none"
    for path, name in source_uses(parts):
        if name not in sources:
            yield Problem(path, f"there is no source '{name}'", f"sources has: {there}")
    first: dict[str, str] = {}
    for name, download in sources.items():
        file = download.file_name
        if file in first:
            yield Problem(
                ("sources", name),
                f"is kept as {file}, as sources.{first[file]} is",
                "give one of them file: NAME",
            )
        first.setdefault(file, name)


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
    least_bytes = journals_bytes + LEAST_TREE_BYTES
    if filesystem.type == "gfs2":
        # mkfs.gfs2 gives its journals no more than half of the file system.
        least_bytes = max(least_bytes, 2 * journals_bytes)
    if sizes.root_fs_bytes < least_bytes:
        yield Problem(
            path,
            f"{format_size(sizes.root_fs_bytes)} is too small: {filesystem.journals} journals of "
            f"{format_size(filesystem.journal_size_bytes)} and {format_size(LEAST_TREE_BYTES)} for files "
            f"need at least {format_size(least_bytes, exact=True)}",
            "make root_fs larger, or set fewer or smaller journals in filesystem",
        )
    if filesystem.type == "gfs1" and sizes.root_cidev_bytes is None:
        yield Problem(
            ("sizes", "root_cidev"),
            "is missing",
            "add root_cidev: the size of the lock table's image, for GFS1",
        )
    if sizes.root_fs_bytes % filesystem.block_size:
        yield Problem(
            path,
            f"{format_size(sizes.root_fs_bytes, exact=True)} is not a multiple of "
            f"filesystem.block_size: {filesystem.block_size}",
            "write it in MiB",
        )


def check_locks(filesystem: Filesystem, cluster: Cluster) -> Iterator[Problem]:
    """GFS2 has its locks from corosync and DLM, GFS1 from a lock server."""
    needed, other = ("timings", "lock_server") if filesystem.type == "gfs2" else ("lock_server", "timings")
    if getattr(cluster, needed) is None:
        field = type(cluster).model_fields[needed]
        yield Problem(("cluster", needed), "is missing", f"add {needed}: {field.description}")
    if getattr(cluster, other) is not None:
        yield Problem(
            ("cluster", other),
            f"a root with {filesystem.lock_protocol} has none",
            "leave it out, or write null where another recipe sets it",
        )


def check_tools(tools: Tools, filesystem: Filesystem) -> Iterator[Problem]:
    """The host's OpenGFS makes GFS1 alone, and its mkfs_gfs needs a pool that a kernel has assembled."""
    used = [name for name in type(tools).model_fields if tools.host_path(name) is not None]
    if filesystem.type == "gfs2":
        for name in used:
            yield Problem(
                ("tools", name), "a program of the host is for filesystem.type: gfs1", f"set {name}: builtin"
            )
    elif "mkfs_gfs" in used and "passemble" not in used:
        yield Problem(
            ("tools", "mkfs_gfs"),
            "the host's mkfs_gfs formats a pool that the host's passemble has assembled",
            "set passemble: {host: PATH} as well, or mkfs_gfs: builtin",
        )


def check_boot(kernel: Kernel, initrd: Initrd) -> Iterator[Problem]:
    """The kernel must be able to unpack the initrd."""
    if _is_of_today(kernel) != (initrd.form == "cpio"):
        what = "cpio" if _is_of_today(kernel) else "linuxrc or cluster_mkinitrd"
        yield Problem(
            ("initrd", "form"),
            f"{initrd.form} is not for kernel.source: {kernel.source}",
            f"set form: {what}",
        )


def _is_of_today(kernel: Kernel) -> bool:
    """Whether it has GFS2 and unpacks a cpio; Linux 2.4 has GFS1 and an ext2 image."""
    return kernel.source in TODAY


def check_kernel(kernel: Kernel, parts: Parts) -> Iterator[Problem]:
    """Programs of 2002 come out of an image of 2002, and OpenGFS is built against a kernel's source."""
    built = kernel.source in ("release", "cvs")
    image = parts.distribution is not None and parts.distribution.base == "image"
    if built and getattr(kernel, "toolchain", None) == "base-image" and not image:
        yield Problem(
            ("kernel", "toolchain"),
            "base-image is for distribution.base: image",
            "set toolchain: {folder: DIR}, an unpacked root with the compiler of the time",
        )
    if parts.opengfs and parts.opengfs.kernel_tree is None and not built:
        yield Problem(
            ("opengfs", "kernel_tree"),
            f"is missing: with kernel.source: {kernel.source} no kernel is built here that OpenGFS fits",
            "set kernel_tree: the folder of the configured kernel source",
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
    if cluster.lock_server is not None:
        yield from _check_lock_server(cluster, cluster.lock_server)
    if cluster.timings is not None:
        yield from _check_timings(cluster.timings)


def _check_lock_server(cluster: Cluster, server: LockServer) -> Iterator[Problem]:
    path = ("cluster", "lock_server", "address")
    network = cluster.network
    if server.address not in network or server.address in (
        network.network_address,
        network.broadcast_address,
    ):
        yield Problem(
            path,
            f"{server.address} is not an address of cluster.network: {network}",
            f"take one of {network} above {cluster.node_limit} nodes' addresses",
        )
    elif int(server.address) - int(network.network_address) <= cluster.node_limit:
        number = int(server.address) - int(network.network_address)
        yield Problem(
            path,
            f"{server.address} is the address of node {number}",
            f"take one above {network.network_address + cluster.node_limit}",
        )
    if server.port == server.callback_port:
        yield Problem(
            ("cluster", "lock_server", "callback_port"), f"{server.port} is also the port", "take another"
        )


def _check_timings(timings: Timings) -> Iterator[Problem]:
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
