"""Install the kernel's modules into the root (HOWTO 4.6, 5.5)."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ssiuml.host.cache import entry_of
from ssiuml.recipe.inputs import FromFolder, FromSource
from ssiuml.recipe.kernel import ModulesOfImage, NoKernel, PackageKernel, SourceKernel

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph
    from ssiuml.tree.layer import Layer

OVER = "cluster-tools"


def add(graph: "Graph") -> None:
    """Add modules: of the kernel of the recipe, or of an older root where the recipe has none."""
    chosen = graph.recipe.kernel
    if not isinstance(chosen, NoKernel):
        _add_of_kernel(graph, chosen.modules if isinstance(chosen, PackageKernel | SourceKernel) else "all")
    elif chosen.modules != "none":
        _add_of_older_root(graph, chosen.version, chosen.modules)


def _add_of_kernel(graph: "Graph", chosen: str | tuple[str, ...]) -> None:
    def make() -> "Layer":
        from ssiuml.kernel import packed

        entry = entry_of(graph.results("kernel")["entry"])
        entry.verify()
        return packed.modules_layer(entry, None if isinstance(chosen, str) else list(chosen))

    graph.add_layer("modules", make, after=["kernel"], inputs=lambda: {"modules": chosen})


def _add_of_older_root(
    graph: "Graph", version: str, chosen: ModulesOfImage | FromSource | FromFolder
) -> None:
    from ssiuml.pipeline.inputs import folder_of, origin_inputs, source_file

    plan, work = graph.plan, graph.plan.places.work

    def opened() -> "AbstractContextManager[Layer]":
        from ssiuml.historic import modules

        if isinstance(chosen, ModulesOfImage):
            image = source_file(graph, chosen.from_image)
            return modules.modules_of_image(image, version, work, chosen.paths)
        if isinstance(chosen, FromSource):
            return modules.modules_of_archive(source_file(graph, chosen.source), version, work, plan.mtime_ns)
        return nullcontext(modules.modules_of_folder(folder_of(graph, chosen), version, plan.mtime_ns))

    def inputs() -> "Values":
        return {**origin_inputs(graph, chosen), "version": version, "mtime_ns": plan.mtime_ns}

    after = [] if isinstance(chosen, FromFolder) else ["fetch"]
    graph.add_open_layer("modules", opened, after=after, inputs=inputs)
