"""Write the pools' labels on the blank images (HOWTO 5.2)."""

from typing import TYPE_CHECKING

from ssiuml.recipe.filesystem import Gfs1Filesystem

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add ptool, for GFS1."""
    plan, chosen = graph.plan, graph.recipe.filesystem
    if not isinstance(chosen, Gfs1Filesystem):
        return

    def label() -> "Values":
        from ssiuml.pipeline.steps._pool_images import PoolImages

        return PoolImages(graph, chosen).label()

    graph.add(
        "ptool",
        label,
        plan.labelled_root,
        plan.labelled_cidev,
        after=["sparse", "cluster-config"],
        inputs=lambda: {"by": graph.recipe.tools.host_path("ptool") or "builtin"},
    )
