"""The steps of the RAM disk."""

from collections.abc import Callable, Sequence

from ssiuml import cluster_config, cpio, elf, initrd, kernel, tree
from ssiuml.build.contents import kernel_version
from ssiuml.build.stepgraph import StepGraph
from ssiuml.recipe import CpioInitrd
from ssiuml.steps import Values, code_digest, file_sha256
from ssiuml.tree import Tree

SEGMENTS = ("tools", "modules", "config")


def add_steps(graph: StepGraph) -> None:
    """Add initrd and what goes into it."""
    chosen = graph.recipe.initrd
    if isinstance(chosen, CpioInitrd):
        _add_cpio(graph, chosen)


def _add_cpio(graph: StepGraph, chosen: CpioInitrd) -> None:
    plan = graph.plan

    def tools() -> Tree:
        contents = graph.tree("base", "cluster-tools")
        small = initrd.tools_tree(contents, chosen.tools, plan.mtime_ns)
        initrd.add_scripts(contents, small)
        return small

    def modules() -> Tree:
        contents = graph.tree("base", "modules")
        return initrd.modules_tree(contents, kernel_version(graph), chosen.modules, plan.mtime_ns)

    def config() -> Tree:
        return initrd.config_tree(
            cluster_config.image_files(graph.recipe, plan.config).items(), plan.mtime_ns
        )

    def whole() -> Values:
        segments = [plan.segment(name) for name in SEGMENTS]
        initrd.join_segments(plan.initrd, segments, chosen.limit_bytes)
        return {"sha256": file_sha256(plan.initrd), "size_bytes": plan.initrd.stat().st_size}

    _add_segment(graph, "tools", ["base", "cluster-tools"], lambda: {"tools": chosen.tools}, tools)
    _add_segment(graph, "modules", ["base", "modules"], lambda: {"modules": chosen.modules}, modules)
    _add_segment(graph, "config", ["cluster-config"], lambda: {}, config)
    names = [f"initrd-{name}" for name in SEGMENTS]
    graph.add("initrd", names, lambda: {"limit_bytes": chosen.limit_bytes}, whole, plan.initrd)


def _add_segment(
    graph: StepGraph, name: str, after: Sequence[str], inputs: Callable[[], Values], make: Callable[[], Tree]
) -> None:
    path = graph.plan.segment(name)

    def write() -> Values:
        initrd.write_segment(path, make())
        return {"sha256": file_sha256(path)}

    def all_inputs() -> Values:
        code = code_digest(initrd, cpio, elf, kernel, tree)
        return {"code": code, "mtime_ns": graph.plan.mtime_ns, **inputs()}

    graph.add(f"initrd-{name}", after, all_inputs, write, path)
