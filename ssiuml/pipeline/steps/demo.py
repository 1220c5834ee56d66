"""Install the demonstration program, dbdemo (HOWTO 5.6)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ssiuml.pipeline.graph import Graph
    from ssiuml.tree.layer import Layer

OVER = "config"


def add(graph: "Graph") -> None:
    """Add demo, if the recipe has one."""
    plan, chosen = graph.plan, graph.recipe.demo
    if chosen is None:
        return

    def opened() -> "AbstractContextManager[Layer]":
        from ssiuml.layers.configure import demo_layer
        from ssiuml.pipeline.inputs import source_file

        archive = source_file(graph, chosen.source)
        return demo_layer(archive, chosen.path, plan.places.work, graph.tree("base"), plan.mtime_ns)

    graph.add_open_layer(
        "demo",
        opened,
        after=["base", "fetch"],
        inputs=lambda: {"demo": chosen.model_dump(mode="json"), "mtime_ns": plan.mtime_ns},
    )
