"""Rules that tie keys of a recipe to each other.

A rule is a function with the decorator ``rule``. Its parameters are named after the top-level keys that it
compares, and it yields a problem for each thing that breaks it. It does not run while one of these keys is
wrong in itself.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ssiuml.formats.limits import GFS1_BYTES_MAX, GFS2_BYTES_MAX
from ssiuml.recipe.cluster import Cluster
from ssiuml.recipe.distribution import Distribution
from ssiuml.recipe.filesystem import Filesystem, Sizes, Tools
from ssiuml.recipe.initrd import Initrd
from ssiuml.recipe.inputs import ClusterTools, Download, OpenGfs, UserFile
from ssiuml.recipe.kernel import HistoricKernel, Kernel, ModernKernel
from ssiuml.recipe.problems import KeyPath, Problem
from ssiuml.recipe.section import Section
from ssiuml.recipe.values import NamesSource
from ssiuml.units import MIB, format_size

LEAST_TREE_BYTES: Final = 64 * MIB

Rule = Callable[..., Iterator[Problem]]
RULES: Final[list[Rule]] = []


def rule(check: Rule) -> Rule:
    """Add *check* to the rules that ``check_all`` runs."""
    RULES.append(check)
    return check


def check_all(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what breaks a rule. *parts* has the values of the top-level keys that are right in themselves."""
    for check in RULES:
        keys = inspect.signature(check).parameters.keys()
        if keys <= parts.keys():
            yield from check(**{key: parts[key] for key in keys})
    if "sources" in parts:
        yield from _check_names_of_sources(parts)


def source_uses(section: Section, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path of each key in *section*, which is at *path*, that names a source, and that name."""
    for attribute, field in type(section).model_fields.items():
        value, here = getattr(section, attribute), (*path, field.alias or attribute)
        if isinstance(value, Section):
            yield from source_uses(value, here)
        elif any(isinstance(mark, NamesSource) for mark in field.metadata):
            yield here, value


def _check_names_of_sources(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What a part takes from a source must be there."""
    there = ", ".join(parts["sources"]) or "none"
    sections = {key: part for key, part in parts.items() if isinstance(part, Section)}
    for key, section in sections.items():
        for path, name in source_uses(section, (key,)):
            if name not in parts["sources"]:
                yield Problem(path, f"there is no source '{name}'", f"add it to sources, which has: {there}")


@rule
def sources_are_different_files(sources: Mapping[str, Download]) -> Iterator[Problem]:
    """No two sources may have the same name among the downloads."""
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


@rule
def base_of_packages_needs_packages(
    distribution: Distribution, packages: tuple[str, ...]
) -> Iterator[Problem]:
    """A base of packages without any would be empty."""
    if distribution.base == "packages" and not packages:
        yield Problem(("packages",), "is missing", "add packages: the packages to install")


@rule
def only_a_base_of_packages_takes_packages(
    distribution: Distribution, packages: tuple[str, ...], extra_packages: tuple[str, ...]
) -> Iterator[Problem]:
    """Packages cannot be installed into a base that is an image."""
    for key, names in (("packages", packages), ("extra_packages", extra_packages)):
        if names and distribution.base == "image":
            yield Problem(
                (key,),
                "is for a base of packages, and distribution.base is image",
                "leave it out, or put them in files",
            )


@rule
def builtin_cluster_tools_need_packages(
    distribution: Distribution, cluster_tools: ClusterTools
) -> Iterator[Problem]:
    """The builtin cluster tools are made for today's Debian."""
    if distribution.base == "image" and cluster_tools == "builtin":
        yield Problem(
            ("cluster_tools",),
            "the builtin ones are for a base of packages, and distribution.base is image",
            "set cluster_tools: {source: SOURCE} or {folder: DIR}",
        )


@rule
def modern_kernel_needs_packages(distribution: Distribution, kernel: Kernel) -> Iterator[Problem]:
    """A kernel of today is a package of the distribution."""
    if distribution.base == "image" and isinstance(kernel, ModernKernel):
        yield Problem(
            ("kernel", "source"),
            f"{kernel.source} is for a base of packages, and distribution.base is image",
            "set source: release, cvs or none",
        )


@rule
def every_node_has_a_journal(filesystem: Filesystem, cluster: Cluster) -> Iterator[Problem]:
    """Every node that mounts the root writes to a journal of its own."""
    journals, nodes = filesystem.journals, cluster.node_limit
    if journals < nodes:
        yield Problem(
            ("filesystem", "journals"),
            f"{journals} is too few for cluster.node_limit: {nodes}",
            f"set journals: {nodes} or more; every node that mounts the root needs its own journal",
        )


@rule
def nodes_that_share_a_root_lock_it(filesystem: Filesystem, cluster: Cluster) -> Iterator[Problem]:
    """lock_nolock is for one node."""
    if filesystem.lock_protocol == "lock_nolock" and cluster.node_limit > 1:
        yield Problem(
            ("filesystem", "lock_protocol"),
            f"lock_nolock is for one node, and cluster.node_limit is {cluster.node_limit}",
            "set lock_dlm, or node_limit: 1; nodes that write without locks destroy the file system",
        )


@rule
def file_system_has_its_locks(filesystem: Filesystem, cluster: Cluster) -> Iterator[Problem]:
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


@rule
def journals_fit_into_the_root(sizes: Sizes, filesystem: Filesystem) -> Iterator[Problem]:
    """The root holds its journals and at least LEAST_TREE_BYTES of files.

    The writer of the image checks later whether the files themselves fit.
    """
    journals_bytes = filesystem.journals * filesystem.journal_size_bytes
    least_bytes = journals_bytes + LEAST_TREE_BYTES
    if filesystem.type == "gfs2":
        # mkfs.gfs2 gives its journals no more than half of the file system.
        least_bytes = max(least_bytes, 2 * journals_bytes)
    if sizes.root_fs_bytes < least_bytes:
        yield Problem(
            ("sizes", "root_fs"),
            f"{format_size(sizes.root_fs_bytes)} is too small: {filesystem.journals} journals of "
            f"{format_size(filesystem.journal_size_bytes)} and {format_size(LEAST_TREE_BYTES)} for files "
            f"need at least {format_size(least_bytes, exact=True)}",
            "make root_fs larger, or set fewer or smaller journals in filesystem",
        )


@rule
def root_is_not_too_large(sizes: Sizes, filesystem: Filesystem) -> Iterator[Problem]:
    """The writer of the image takes no larger file system."""
    most_bytes = GFS2_BYTES_MAX if filesystem.type == "gfs2" else GFS1_BYTES_MAX
    if sizes.root_fs_bytes > most_bytes:
        yield Problem(
            ("sizes", "root_fs"),
            f"{format_size(sizes.root_fs_bytes)} is too large for {filesystem.type}",
            f"set root_fs: {format_size(most_bytes)} or less",
        )


@rule
def gfs1_has_a_cidev(sizes: Sizes, filesystem: Filesystem) -> Iterator[Problem]:
    """GFS1 has its lock server table in an image of its own."""
    if filesystem.type == "gfs1" and sizes.root_cidev_bytes is None:
        yield Problem(
            ("sizes", "root_cidev"),
            "is missing",
            "add root_cidev: the size of the lock server table's image, for GFS1",
        )


@rule
def root_is_whole_blocks(sizes: Sizes, filesystem: Filesystem) -> Iterator[Problem]:
    """The image of the root ends with a block."""
    if sizes.root_fs_bytes % filesystem.block_size:
        yield Problem(
            ("sizes", "root_fs"),
            f"{format_size(sizes.root_fs_bytes, exact=True)} is not a multiple of "
            f"filesystem.block_size: {filesystem.block_size}",
            "write it in MiB",
        )


@rule
def programs_of_the_host_make_gfs1(tools: Tools, filesystem: Filesystem) -> Iterator[Problem]:
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


@rule
def cluster_fits_together(cluster: Cluster) -> Iterator[Problem]:
    """The keys of the cluster fit to each other."""
    yield from cluster.problems()


@rule
def kernel_unpacks_the_initrd(kernel: Kernel, initrd: Initrd) -> Iterator[Problem]:
    """A kernel of today unpacks a cpio archive, Linux 2.4 mounts an ext2 image."""
    modern = isinstance(kernel, ModernKernel)
    if modern != (initrd.form == "cpio"):
        forms = "cpio" if modern else "linuxrc or cluster_mkinitrd"
        yield Problem(
            ("initrd", "form"),
            f"{initrd.form} is not for kernel.source: {kernel.source}",
            f"set form: {forms}",
        )


@rule
def kernel_mounts_the_root(kernel: Kernel, filesystem: Filesystem) -> Iterator[Problem]:
    """A kernel of today mounts GFS2, Linux 2.4 mounts GFS1."""
    modern = isinstance(kernel, ModernKernel)
    if modern != (filesystem.type == "gfs2"):
        yield Problem(
            ("filesystem", "type"),
            f"{filesystem.type} cannot be mounted by the kernel of kernel.source: {kernel.source}",
            f"set type: {'gfs2' if modern else 'gfs1'}; GFS1 is for Linux 2.4, GFS2 for that of today",
        )


@rule
def compiler_of_2002_is_in_an_image(kernel: Kernel, distribution: Distribution) -> Iterator[Problem]:
    """The compiler of the base image needs a base that is an image."""
    by_image = isinstance(kernel, HistoricKernel) and kernel.toolchain == "base-image"
    if by_image and distribution.base != "image":
        yield Problem(
            ("kernel", "toolchain"),
            "base-image is for distribution.base: image",
            "set toolchain: {folder: DIR}, an unpacked root with the compiler of the time",
        )


@rule
def opengfs_has_a_kernel_source(kernel: Kernel, opengfs: OpenGfs | None) -> Iterator[Problem]:
    """OpenGFS is built against the source of the kernel that it runs in."""
    if opengfs and opengfs.kernel_tree is None and not isinstance(kernel, HistoricKernel):
        yield Problem(
            ("opengfs", "kernel_tree"),
            f"is missing: with kernel.source: {kernel.source} no kernel is built here that OpenGFS fits",
            "set kernel_tree: the folder of the configured kernel source",
        )


@rule
def files_have_different_paths(files: tuple[UserFile, ...]) -> Iterator[Problem]:
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
