"""The step copy-root: the file system with the tree in it; and the second opinion on it."""

from dataclasses import replace
from pathlib import Path

from ssiuml.host import files
from ssiuml.host.digests import Values, merged
from ssiuml.host.scratch import scratch_folder
from ssiuml.images import root_image
from ssiuml.images.appliance import Appliance, Filled
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.step import StepError
from ssiuml.pipeline.steps.filesystem import PoolSteps, root_inputs
from ssiuml.pipeline.steps.kernel import kernel_version
from ssiuml.pipeline.steps.storage import filesystem_inputs
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.kernel import SourceKernel
from ssiuml.tree import compare
from ssiuml.tree.tree import Tree


def add_steps(graph: StepGraph) -> None:
    """Add copy-root."""
    plan, chosen = graph.plan, graph.recipe.filesystem

    def direct_inputs() -> Values:
        return merged({"time_ns": plan.mtime_ns}, filesystem_inputs(graph))

    def copy_root() -> Values:
        contents = graph.tree()
        if isinstance(chosen, Gfs1Filesystem):
            filled = _write_pool(graph, chosen, contents)
        else:
            filled = _write(graph, chosen.writer, contents, plan.root_fs)
        return {
            "names": filled.names,
            "inodes": filled.inodes,
            "content_bytes": filled.content_bytes,
            "tree_sha256": filled.digest,
            "size_bytes": plan.root_fs.stat().st_size,
            "allocated_bytes": files.allocated_bytes(plan.root_fs),
        }

    if isinstance(chosen, Gfs1Filesystem):
        after = [*graph.layers, "mkfs"]
        graph.add("copy-root", after, lambda: root_inputs(graph), copy_root, plan.root_fs)
    elif chosen.writer == "direct":
        graph.add("copy-root", graph.layers, direct_inputs, copy_root, plan.root_fs)
    else:
        after = [*graph.layers, "mkfs", "kernel"]
        graph.add("copy-root", after, dict, copy_root, plan.root_fs)


def _write_pool(graph: StepGraph, chosen: Gfs1Filesystem, contents: Tree) -> Filled:
    PoolSteps(graph, chosen).write_root(contents, graph.plan.root_fs, "copy-root")
    return root_image.filled_with(contents)


def _write(graph: StepGraph, writer: str, contents: Tree, target: Path) -> Filled:
    plan = graph.plan
    if writer == "direct":
        return root_image.write_directly(plan.loaded, contents, target, plan.mtime_ns)
    fill = _appliance(graph, contents).fill
    return root_image.write_by_filling(plan.loaded, plan.formatted, contents, target, fill)


def _appliance(graph: StepGraph, programs: Tree) -> Appliance:
    plan = graph.plan
    return Appliance(
        kernel=plan.kernel,
        modules_version=kernel_version(graph),
        programs=programs,
        work=plan.places.work / "appliance",
        shows_devices=isinstance(graph.recipe.kernel, SourceKernel)
        and graph.recipe.kernel.patches is not None,
    )


def check_root(graph: StepGraph) -> None:
    """Have somebody else look at the root image, and demand that it holds the tree.

    For GFS2 a kernel writes the root the other way, too, and sees the same tree in both images; the formatted
    image is made. A copy of a GFS1 root is converted by gfs2_convert and checked by fsck.gfs2, and our own
    reader compares it with the tree. Raises ApplianceError, Gfs1Error, Gfs2Error or StepError.
    """
    if isinstance(graph.recipe.filesystem, Gfs1Filesystem):
        root_image.check_pool(graph.plan.root_fs, graph.tree(), graph.plan.places.work)
    elif graph.recipe.can_boot:
        _check_writers(graph)


def _check_writers(graph: StepGraph) -> None:
    plan, chosen = graph.plan, graph.recipe.gfs2
    contents = graph.tree()
    appliance = replace(_appliance(graph, contents), task="check")
    expected = compare.take_census(contents)
    other = "appliance" if chosen.writer == "direct" else "direct"
    with scratch_folder(plan.places.work, "writers") as scratch:
        second = scratch / "root_fs"
        there = _write(graph, other, contents, second)
        if other == "direct":
            there = appliance.read_back(second, expected)
        here = appliance.read_back(plan.root_fs, expected)
    if here != there:
        raise StepError(f"{plan.root_fs}: holds {here}, written by way of '{other}' it holds {there}")
