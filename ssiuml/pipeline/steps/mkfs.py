"""Make the cluster file system with its journals in the blank image (HOWTO 5.2)."""

from typing import TYPE_CHECKING

from ssiuml.recipe.filesystem import Gfs1Filesystem

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph
    from ssiuml.recipe.filesystem import Gfs2Filesystem


def add(graph: "Graph") -> None:
    """Add mkfs: for GFS2 on the blank image, for GFS1 in the labelled pool."""
    chosen = graph.recipe.filesystem
    if isinstance(chosen, Gfs1Filesystem):
        _add_gfs1(graph, chosen)
    else:
        _add_gfs2(graph, chosen)


def filesystem_inputs(graph: "Graph") -> "Values":
    """Return the settings that decide an empty file system."""
    return {
        "filesystem": graph.recipe.filesystem.model_dump(mode="json"),
        "size_bytes": graph.recipe.sizes.root_fs_bytes,
    }


def pool_inputs(graph: "Graph") -> "Values":
    """Return the settings that decide a GFS1 root in a pool, but for the tree in it."""
    return {
        **filesystem_inputs(graph),
        "by": graph.recipe.tools.host_path("mkfs_gfs") or "builtin",
        "time_ns": graph.plan.mtime_ns,
    }


def _add_gfs2(graph: "Graph", chosen: "Gfs2Filesystem") -> None:
    plan = graph.plan

    def mkfs() -> "Values":
        from ssiuml.images import gfs2_tools

        gfs2_tools.make_image(plan.blank, plan.formatted, chosen)
        return filesystem_inputs(graph)

    graph.add("mkfs", mkfs, plan.formatted, after=["sparse"], inputs=lambda: filesystem_inputs(graph))


def _add_gfs1(graph: "Graph", chosen: Gfs1Filesystem) -> None:
    def mkfs() -> "Values":
        from ssiuml.pipeline.steps._pool_images import PoolImages

        PoolImages(graph, chosen).make_empty_root()
        return {}

    table = ["gfsconf"] if graph.recipe.tools.host_path("mkfs_gfs") else []
    after = ["ptool", "passemble", *table]
    graph.add("mkfs", mkfs, graph.plan.formatted, after=after, inputs=lambda: pool_inputs(graph))
