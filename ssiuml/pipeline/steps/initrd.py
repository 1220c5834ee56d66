"""The steps of the RAM disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ssiuml.historic import linuxrc, mkinitrd
from ssiuml.host.digests import Values, file_sha256, merged
from ssiuml.layers import cluster_config, initrd
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps.appliances import foreign_appliance
from ssiuml.pipeline.steps.kernel import kernel_version
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.initrd import CpioInitrd, HistoricInitrd, LinuxrcInitrd
from ssiuml.tree import segment
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size

SEGMENTS = ("tools", "modules", "config")


def add_steps(graph: StepGraph) -> None:
    """Add initrd and what goes into it."""
    chosen = graph.recipe.initrd
    if isinstance(chosen, CpioInitrd):
        _add_cpio(graph, chosen)
    elif isinstance(chosen, LinuxrcInitrd):
        _add_linuxrc(graph, chosen)
    else:
        _add_historic(graph, chosen)


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


def _parts(graph: StepGraph) -> list[str]:
    """The layers that a RAM disk of Linux 2.4 is taken from."""
    wanted = ("base", "cluster-tools", "modules", "opengfs", "config")
    return [name for name in wanted if name in graph.steps]


def _add_linuxrc(graph: StepGraph, chosen: LinuxrcInitrd) -> None:
    _add_written(graph, "initrd", graph.plan.initrd, chosen, chosen.tools, chosen.modules, server=False)
    if isinstance(graph.recipe.filesystem, Gfs1Filesystem):
        target = graph.plan.initrd_memexp
        _add_written(graph, "initrd-memexp", target, chosen, chosen.tools, chosen.modules, server=True)


def _add_written(
    graph: StepGraph,
    name: str,
    target: Path,
    chosen: LinuxrcInitrd | HistoricInitrd,
    tools: Sequence[str],
    modules: Sequence[str],
    *,
    server: bool,
) -> None:
    """Add a step that puts a RAM disk together from the root's files."""
    plan, after = graph.plan, _parts(graph)

    def inputs() -> Values:
        return {
            "initrd": chosen.model_dump(mode="json"),
            "version": kernel_version(graph),
            "variables": cluster_config.variables(graph.recipe),
            "template": file_sha256(plan.places.templates / linuxrc.TEMPLATE),
            "time_ns": plan.mtime_ns,
        }

    def written() -> Values:
        small = linuxrc.linuxrc_tree(
            graph.tree(*after),
            plan.places.templates,
            cluster_config.variables(graph.recipe),
            version=kernel_version(graph),
            tools=tools,
            modules=modules,
            mtime_ns=plan.mtime_ns,
            server=server,
        )
        disk_bytes = linuxrc.write_linuxrc_initrd(
            target, small, plan.epoch, chosen.limit_bytes, plan.places.work
        )
        return {
            "sha256": file_sha256(target),
            "size_bytes": target.stat().st_size,
            "ramdisk_kib": disk_bytes // 1024,
        }

    graph.add(name, after, inputs, written, target)


def _add_historic(graph: StepGraph, chosen: HistoricInitrd) -> None:
    plan, after = graph.plan, _parts(graph)

    def inputs() -> Values:
        return {
            "initrd": chosen.model_dump(mode="json"),
            "version": kernel_version(graph),
        }

    def made() -> Values:
        appliance = foreign_appliance(plan, chosen.appliance)
        mkinitrd.run_cluster_mkinitrd(appliance, graph.tree(*after), kernel_version(graph), plan.initrd)
        size = plan.initrd.stat().st_size
        if size > chosen.limit_bytes:
            plan.initrd.unlink()
            limit = format_size(chosen.limit_bytes)
            raise initrd.InitrdError(
                f"{plan.initrd.name}: {format_size(size)} is over initrd.limit, {limit}",
                hint="raise initrd.limit if it is meant",
            )
        return {"sha256": file_sha256(plan.initrd), "size_bytes": size}

    graph.add("initrd", after, inputs, made, plan.initrd)
    # cluster_mkinitrd makes none for the lock server, as far as the HOWTO says.
    _add_written(graph, "initrd-memexp", plan.initrd_memexp, chosen, ["/bin/sh"], ["memexp"], server=True)


def _add_segment(
    graph: StepGraph, name: str, after: Sequence[str], inputs: Callable[[], Values], make: Callable[[], Tree]
) -> None:
    path = graph.plan.segment(name)

    def write() -> Values:
        segment.write_segment(path, make())
        return {"sha256": file_sha256(path)}

    def all_inputs() -> Values:
        return merged({"mtime_ns": graph.plan.mtime_ns}, inputs())

    graph.add(f"initrd-{name}", after, all_inputs, write, path)
