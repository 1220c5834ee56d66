"""Remove services that do not run on a shared root from rc3.d (HOWTO 5.6)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph
    from ssiuml.tree.layer import Layer

OVER = "demo"


def add(graph: "Graph") -> None:
    """Add prune: a layer of whiteouts."""
    below = ["base", "cluster-tools", "config"]

    def prune() -> "Layer":
        from ssiuml.layers.configure import prune_layer

        return prune_layer(graph.plan.loaded, graph.tree(*below))

    graph.add_layer("prune", prune, after=below, inputs=lambda: {"prune": graph.recipe.prune})
