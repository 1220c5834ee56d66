"""What ``doit check`` does: boot a node from a copy of the images, and judge the root by foreign programs."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ssiuml.pipeline.step import StepError
from ssiuml.pipeline.steps.copy_root import appliance_of, write_root
from ssiuml.recipe.filesystem import Gfs1Filesystem

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph


def check(graph: "Graph") -> None:
    """Check the images of a recipe that is built. Raise SsiumlError for what is wrong with them."""
    from ssiuml.cluster.smoke import check_images
    from ssiuml.images import root_image

    plan = graph.plan
    if graph.recipe.can_boot:
        check_images(plan.places.out)
    if isinstance(graph.recipe.filesystem, Gfs1Filesystem):
        # gfs2_convert makes GFS2 of a copy, fsck.gfs2 checks it; our reader compares the root with the tree.
        root_image.check_pool(plan.root_fs, graph.tree(), plan.places.work)
    elif graph.recipe.can_boot:
        _check_writers(graph)


def _check_writers(graph: "Graph") -> None:
    """Have a kernel write the root the other way too. Raise StepError if the images differ in their trees."""
    from ssiuml.host.files import scratch_folder
    from ssiuml.tree.compare import take_census

    plan, chosen = graph.plan, graph.recipe.gfs2
    tree = graph.tree()
    appliance = replace(appliance_of(graph, tree), task="check")
    expected = take_census(tree)
    other = "appliance" if chosen.writer == "direct" else "direct"
    with scratch_folder(plan.places.work, "writers") as scratch:
        second = scratch / "root_fs"
        there = write_root(graph, tree, second, other)
        if other == "direct":
            there = appliance.read_back(second, expected)
        here = appliance.read_back(plan.root_fs, expected)
    if here != there:
        raise StepError(f"{plan.root_fs}: holds {here}; written by the writer '{other}' it holds {there}")
