"""Make the blank image for the root, one large hole (HOWTO 5.2)."""

from typing import TYPE_CHECKING

from ssiuml.recipe.filesystem import Gfs1Filesystem

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add sparse."""
    plan, sizes = graph.plan, graph.recipe.sizes
    images = {plan.blank: sizes.root_fs_bytes}
    if isinstance(graph.recipe.filesystem, Gfs1Filesystem) and sizes.root_cidev_bytes is not None:
        images[plan.blank_cidev] = sizes.root_cidev_bytes

    def make() -> "Values":
        from ssiuml.host import files

        for path, size_bytes in images.items():
            files.create(path, size_bytes)
        return {}

    def inputs() -> "Values":
        return {"sizes": {path.name: size_bytes for path, size_bytes in images.items()}}

    graph.add("sparse", make, *images, inputs=inputs)
