"""Write the lock server's table: root_cidev (HOWTO 5.2)."""

from typing import TYPE_CHECKING

from ssiuml.recipe.filesystem import Gfs1Filesystem

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add gfsconf, for GFS1."""
    plan, chosen = graph.plan, graph.recipe.filesystem
    if not isinstance(chosen, Gfs1Filesystem):
        return

    def write() -> "Values":
        from ssiuml.pipeline.steps._pool_images import PoolImages

        return PoolImages(graph, chosen).write_lock_server_table()

    graph.add(
        "gfsconf",
        write,
        plan.root_cidev,
        after=["ptool", "passemble", "cluster-config"],
        inputs=lambda: {"by": graph.recipe.tools.host_path("gfsconf") or "builtin"},
    )
