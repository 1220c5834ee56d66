"""Build OpenGFS for User-Mode Linux and install it into the root (HOWTO 4.7)."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ssiuml.host import tools
from ssiuml.host.digests import file_sha256
from ssiuml.recipe.kernel import CvsKernel, ReleaseKernel

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph
    from ssiuml.pipeline.steps._historic_kernel import HistoricKernel
    from ssiuml.recipe.inputs import OpenGfs
    from ssiuml.tree.layer import Layer

OVER = "modules"


def add(graph: "Graph") -> None:
    """Add opengfs, if the recipe builds it."""
    if graph.recipe.opengfs is not None:
        _add(graph, graph.recipe.opengfs)


def _add(graph: "Graph", chosen: "OpenGfs") -> None:
    from ssiuml.pipeline.inputs import source_file

    plan, kernel = graph.plan, _kernel(graph)

    @contextmanager
    def built() -> "Iterator[Layer]":
        from ssiuml.historic.opengfs_build import opengfs_layer

        archive, work = source_file(graph, chosen.source), plan.places.work / "opengfs"
        with (
            _kernel_tree(graph, chosen, kernel) as (kernel_tree, root),
            opengfs_layer(archive, kernel_tree, work, graph.tree("base"), plan.mtime_ns, root) as layer,
        ):
            yield layer

    def inputs() -> "Values":
        return {
            "source": chosen.source,
            "kernel_tree": chosen.kernel_tree,
            "state": {} if chosen.kernel_tree is None else _state(plan.loaded.host_path(chosen.kernel_tree)),
            "mtime_ns": plan.mtime_ns,
        }

    graph.add_open_layer(
        "opengfs",
        built,
        after=["base", "fetch", *(["kernel"] if chosen.kernel_tree is None else [])],
        inputs=inputs,
        prepare=lambda: tools.require(() if kernel is None else kernel.tools),
    )


def _kernel(graph: "Graph") -> "HistoricKernel | None":
    from ssiuml.pipeline.steps._historic_kernel import HistoricKernel

    chosen = graph.recipe.kernel
    return HistoricKernel(graph, chosen) if isinstance(chosen, ReleaseKernel | CvsKernel) else None


@contextmanager
def _kernel_tree(
    graph: "Graph", chosen: "OpenGfs", kernel: "HistoricKernel | None"
) -> Iterator[tuple[Path, Path | None]]:
    """Yield the configured kernel source, and the root whose compiler fits it, None for the host's."""
    if chosen.kernel_tree is not None:
        with nullcontext() if kernel is None else kernel.toolchain_root() as root:
            yield graph.plan.loaded.host_path(chosen.kernel_tree), root
    elif kernel is not None:
        with kernel.built_tree() as built:
            yield built


def _state(kernel_tree: Path) -> dict[str, str]:
    """Digests of the files that say how a kernel tree, which has ten thousands of files, was configured."""
    names = (".config", "Makefile", "include/linux/version.h")
    return {name: file_sha256(kernel_tree / name) for name in names if (kernel_tree / name).is_file()}
