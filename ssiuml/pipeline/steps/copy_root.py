"""Write the cluster file system with the tree in it and check it: root_fs (HOWTO 5.2, 5.7)."""

from typing import TYPE_CHECKING

from ssiuml.host import files
from ssiuml.host.digests import file_sha256, merged
from ssiuml.pipeline.steps.mkfs import filesystem_inputs, pool_inputs
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.kernel import SourceKernel

if TYPE_CHECKING:
    from pathlib import Path

    from ssiuml.host.digests import Values
    from ssiuml.images.appliance import Appliance, ImageContents
    from ssiuml.pipeline.graph import Graph
    from ssiuml.tree.tree import Tree


def add(graph: "Graph") -> None:
    """Add copy-root: all layers merged, written into a GFS2 image or into a labelled pool."""
    plan, chosen = graph.plan, graph.recipe.filesystem

    def copy_root() -> "Values":
        tree = graph.tree()
        filled = write_root(graph, tree, plan.root_fs)
        return {
            "names": filled.names,
            "inodes": filled.inodes,
            "content_bytes": filled.content_bytes,
            "tree_sha256": filled.digest,
            "sha256": file_sha256(plan.root_fs),
            "size_bytes": plan.root_fs.stat().st_size,
            "allocated_bytes": files.allocated_bytes(plan.root_fs),
        }

    def inputs() -> "Values":
        if isinstance(chosen, Gfs1Filesystem):
            return pool_inputs(graph)
        if chosen.writer == "direct":
            return merged({"time_ns": plan.mtime_ns}, filesystem_inputs(graph))
        return {}  # the formatted image and the kernel, steps before this one, decide all

    if isinstance(chosen, Gfs1Filesystem):
        after = [*graph.layers, "mkfs"]
    elif chosen.writer == "direct":
        after = graph.layers
    else:
        after = [*graph.layers, "mkfs", "kernel"]
    graph.add("copy-root", copy_root, plan.root_fs, after=after, inputs=inputs)


def write_root(graph: "Graph", tree: "Tree", target: "Path", writer: str | None = None) -> "ImageContents":
    """Write *tree* into the root image *target*, by *writer* instead of the recipe's choice if it is given.

    A writer of GFS2 is "direct", which writes the blocks itself, or "appliance", where a kernel writes them.
    """
    from ssiuml.images import root_image

    plan, chosen = graph.plan, graph.recipe.filesystem
    if isinstance(chosen, Gfs1Filesystem):
        from ssiuml.images.appliance import ImageContents
        from ssiuml.pipeline.steps._pool_images import PoolImages
        from ssiuml.tree.compare import take_census

        PoolImages(graph, chosen).write_root(tree, target, "copy-root")
        return ImageContents.of(take_census(tree))
    if (writer or chosen.writer) == "direct":
        return root_image.write_directly(plan.loaded, tree, target, plan.mtime_ns)
    fill = appliance_of(graph, tree).fill
    return root_image.write_by_filling(plan.loaded, plan.formatted, tree, target, fill)


def appliance_of(graph: "Graph", programs: "Tree") -> "Appliance":
    """Return the build appliance that runs the kernel of the recipe with *programs*."""
    from ssiuml.images.appliance import Appliance
    from ssiuml.pipeline.inputs import kernel_version

    plan, kernel = graph.plan, graph.recipe.kernel
    return Appliance(
        kernel=plan.kernel,
        modules_version=kernel_version(graph),
        programs=programs,
        work=plan.places.work / "appliance",
        shows_devices=isinstance(kernel, SourceKernel) and kernel.patches is not None,
    )
