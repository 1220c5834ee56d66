"""Build the User-Mode Linux kernel, linux-ssi, or take it from its package (HOWTO 4.1 to 4.4)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ssiuml.host import tools
from ssiuml.host.cache import entry_of
from ssiuml.host.digests import Values, file_sha256
from ssiuml.pipeline.step import StepError
from ssiuml.recipe.kernel import CvsKernel, PackageKernel, ReleaseKernel, SourceKernel

if TYPE_CHECKING:
    from ssiuml.host.cache import Entry
    from ssiuml.kernel.linux_source import SourceBuild
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add kernel, if the recipe has one."""
    chosen = graph.recipe.kernel
    if isinstance(chosen, PackageKernel):
        _add_packaged(graph)
    elif isinstance(chosen, SourceKernel):
        _add_built(graph, chosen)
    elif isinstance(chosen, ReleaseKernel | CvsKernel):
        _add_historic(graph, chosen)


def _add_packaged(graph: "Graph") -> None:
    def unpack() -> "Entry":
        from ssiuml.kernel.packed import unpack_package

        return unpack_package(graph.plan.cache, Path(graph.results("fetch")["kernel_package"]))

    _add(graph, unpack, after=["fetch"])


def _add_built(graph: "Graph", chosen: SourceKernel) -> None:
    plan = graph.plan

    def source_build() -> "SourceBuild":
        from ssiuml.kernel.linux_source import SourceBuild

        fetched = graph.results("fetch")
        return SourceBuild(
            package=Path(fetched["kernel_package"]),
            package_sha256=fetched["kernel_sha256"],
            patches=None if chosen.patches is None else plan.loaded.host_path(chosen.patches),
            config=tuple(map(plan.loaded.host_path, chosen.config)),
            epoch=plan.epoch,
            tree=plan.kernel_tree,
            log=plan.kernel_log,
            distcc=plan.distcc,
        )

    def build() -> "Entry":
        from ssiuml.kernel import linux_source

        return linux_source.get_or_build(plan.cache, source_build())

    _add(graph, build, after=["fetch"], inputs=lambda: source_build().inputs(), needs=tools.KERNEL_TOOLS)


def _add_historic(graph: "Graph", chosen: ReleaseKernel | CvsKernel) -> None:
    from ssiuml.pipeline.steps._historic_kernel import HistoricKernel

    kernel = HistoricKernel(graph, chosen)
    _add(graph, kernel.get_or_build, after=kernel.after, inputs=kernel.inputs, needs=kernel.tools)


def _add(
    graph: "Graph",
    get_or_make: "Callable[[], Entry]",
    *,
    after: Sequence[str],
    inputs: Callable[[], Values] = dict,
    needs: Sequence[tools.HostTool] = (),
) -> None:
    """Add the step that puts the kernel among the images; *get_or_make* returns its entry in the cache.

    *needs* are programs of the host, installed before *inputs* is called, which may name the compiler.
    """
    plan = graph.plan

    def make() -> Values:
        from ssiuml.kernel import packed

        entry = get_or_make()
        packed.write_program(entry, plan.kernel)
        return {
            "entry": entry.as_values(),
            "version": entry.facts["version"],
            "package": graph.results("fetch").get("kernel_package", "").rpartition("/")[2],
            "sha256": file_sha256(plan.kernel),
        }

    def forget() -> None:
        with suppress(StepError):
            entry_of(graph.results("kernel")["entry"]).remove()
        plan.kernel_tree.remove()

    graph.add(
        "kernel",
        make,
        plan.kernel,
        after=after,
        inputs=inputs,
        cached=lambda results: [Path(results["entry"]["path"])],
        modules=[get_or_make.__module__],
        prepare=lambda: tools.require(needs),
    )
    graph.on_distclean(forget)
