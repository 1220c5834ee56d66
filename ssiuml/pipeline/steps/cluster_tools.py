"""Install the cluster tools: boot scripts, inittab.ssi, rc.nodeup (HOWTO 5.3, 5.4)."""

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ssiuml.host.digests import folder_digest
from ssiuml.recipe.inputs import FromFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph
    from ssiuml.recipe.inputs import FromSource
    from ssiuml.tree.layer import Layer

OVER = "base"


def add(graph: "Graph") -> None:
    """Add cluster-tools: this project's own, or those that the recipe names."""
    chosen = graph.recipe.cluster_tools
    if isinstance(chosen, str):
        _add_own(graph)
    else:
        _add_foreign(graph, chosen)


def _add_own(graph: "Graph") -> None:
    plan = graph.plan

    @contextmanager
    def installed() -> "Iterator[Layer]":
        from ssiuml.layers import cluster_tools

        source, name = plan.places.cluster_tools, graph.recipe.distribution.name
        work = plan.places.work / "cluster-tools"
        try:
            yield cluster_tools.install(source, name, work, graph.tree("base"), plan.mtime_ns)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def inputs() -> "Values":
        return {"sources": folder_digest(plan.places.cluster_tools), "mtime_ns": plan.mtime_ns}

    graph.add_open_layer("cluster-tools", installed, after=["base"], inputs=inputs)


def _add_foreign(graph: "Graph", chosen: "FromSource | FromFolder") -> None:
    from ssiuml.pipeline.inputs import opened, origin_inputs

    plan, name = graph.plan, graph.recipe.distribution.name

    @contextmanager
    def installed() -> "Iterator[Layer]":
        from ssiuml.historic.cluster_tools import install_on_copy

        work = plan.places.work / "cluster-tools"
        try:
            with opened(graph, chosen, plan.places.work) as source:
                yield install_on_copy(source, name, work, graph.tree("base"), plan.mtime_ns)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def inputs() -> "Values":
        return {**origin_inputs(graph, chosen), "distribution": name, "mtime_ns": plan.mtime_ns}

    after = ["base"] if isinstance(chosen, FromFolder) else ["base", "fetch"]
    graph.add_open_layer("cluster-tools", installed, after=after, inputs=inputs)
