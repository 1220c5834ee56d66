"""The steps that make images before there is anything in them: blank, as pools, with an empty file system."""

from ssiuml.host import files
from ssiuml.host.digests import Values
from ssiuml.images import gfs2_tools
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps import filesystem
from ssiuml.recipe.filesystem import Gfs1Filesystem, Gfs2Filesystem


def add_blank(graph: StepGraph) -> None:
    """Add sparse."""
    plan, sizes = graph.plan, graph.recipe.sizes
    images = {plan.blank: sizes.root_fs_bytes}
    if isinstance(graph.recipe.filesystem, Gfs1Filesystem) and sizes.root_cidev_bytes is not None:
        images[plan.blank_cidev] = sizes.root_cidev_bytes

    def make() -> Values:
        for path, size_bytes in images.items():
            files.create(path, size_bytes)
        return {}

    def inputs() -> Values:
        return {"sizes": {path.name: size_bytes for path, size_bytes in images.items()}}

    graph.add("sparse", [], inputs, make, *images)


def add_filesystem(graph: StepGraph) -> None:
    """Add mkfs, for GFS1 after the steps that make pools of the images."""
    plan, chosen = graph.plan, graph.recipe.filesystem
    if isinstance(chosen, Gfs2Filesystem):

        def mkfs() -> Values:
            gfs2_tools.make_image(plan.blank, plan.formatted, chosen)
            return filesystem_inputs(graph)

        graph.add("mkfs", ["sparse"], lambda: filesystem_inputs(graph), mkfs, plan.formatted)
    else:
        filesystem.add_steps(graph, chosen)


def filesystem_inputs(graph: StepGraph) -> Values:
    """What decides an empty file system."""
    return {
        "filesystem": graph.recipe.filesystem.model_dump(mode="json"),
        "size_bytes": graph.recipe.sizes.root_fs_bytes,
    }
