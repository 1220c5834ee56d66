"""Find out where in the images /dev/pool/NAME lies (HOWTO 5.2)."""

from typing import TYPE_CHECKING

from ssiuml.recipe.filesystem import Gfs1Filesystem

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add passemble, for GFS1."""
    plan, chosen = graph.plan, graph.recipe.filesystem
    if not isinstance(chosen, Gfs1Filesystem):
        return

    def assemble() -> "Values":
        from ssiuml.pipeline.steps._pool_images import PoolImages

        return PoolImages(graph, chosen).assemble()

    graph.add(
        "passemble",
        assemble,
        plan.pools,
        after=["ptool"],
        inputs=lambda: {
            "by": graph.recipe.tools.host_path("passemble") or "builtin",
            # The state file names them: it is no longer right in a checkout that was moved or copied.
            "files": [str(plan.labelled_root), str(plan.labelled_cidev)],
        },
    )
