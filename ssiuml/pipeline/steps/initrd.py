"""Build the RAM disk that joins the cluster and mounts the root: initrd-ssi.img (HOWTO 4.8)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ssiuml.host.digests import Values, file_sha256, merged
from ssiuml.pipeline.inputs import kernel_version
from ssiuml.pipeline.step import StepError
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.initrd import CpioInitrd, HistoricInitrd, LinuxrcInitrd
from ssiuml.units import format_size

if TYPE_CHECKING:
    from ssiuml.images.appliance import Appliance
    from ssiuml.pipeline.graph import Graph
    from ssiuml.pipeline.plan import Plan
    from ssiuml.tree.tree import Tree

SEGMENTS: Final = ("tools", "modules", "config")
TASK: Final = "initrd:image"


def add(graph: "Graph") -> None:
    """Add initrd: three segments and their joining, or for Linux 2.4 an ext2 image."""
    chosen = graph.recipe.initrd
    if isinstance(chosen, CpioInitrd):
        _add_cpio(graph, chosen)
    elif isinstance(chosen, LinuxrcInitrd):
        _add_linuxrc(graph, chosen)
    else:
        _add_historic(graph, chosen)


# initramfs: segments, of which only stale ones are built again


def _add_cpio(graph: "Graph", chosen: CpioInitrd) -> None:
    plan = graph.plan

    def tools() -> "Tree":
        from ssiuml.layers import initrd

        tree = graph.tree("base", "cluster-tools")
        small = initrd.tools_tree(tree, chosen.tools, plan.mtime_ns)
        initrd.add_scripts(tree, small)
        return small

    def modules() -> "Tree":
        from ssiuml.layers import initrd

        tree = graph.tree("base", "modules")
        return initrd.modules_tree(tree, kernel_version(graph), chosen.modules, plan.mtime_ns)

    def config() -> "Tree":
        from ssiuml.layers import cluster_config, initrd

        rendered = cluster_config.image_files(graph.recipe, plan.config)
        return initrd.config_tree(rendered.items(), plan.mtime_ns)

    def join() -> Values:
        from ssiuml.layers import initrd

        initrd.join_segments(plan.initrd, [plan.segment(name) for name in SEGMENTS], chosen.limit_bytes)
        return {"sha256": file_sha256(plan.initrd), "size_bytes": plan.initrd.stat().st_size}

    _add_segment(graph, "tools", tools, ["base", "cluster-tools"], {"tools": chosen.tools})
    _add_segment(graph, "modules", modules, ["base", "modules"], {"modules": chosen.modules})
    _add_segment(graph, "config", config, ["cluster-config"], {})
    names = [f"initrd-{name}" for name in SEGMENTS]
    inputs: Values = {"limit_bytes": chosen.limit_bytes}
    graph.add("initrd", join, plan.initrd, task=TASK, after=names, inputs=lambda: inputs)


def _add_segment(
    graph: "Graph", name: str, make: "Callable[[], Tree]", after: Sequence[str], settings: Values
) -> None:
    path = graph.plan.segment(name)

    def write() -> Values:
        from ssiuml.tree import cpio

        cpio.write_segment(path, make())
        return {"sha256": file_sha256(path)}

    def inputs() -> Values:
        return merged({"mtime_ns": graph.plan.mtime_ns}, settings)

    graph.add(f"initrd-{name}", write, path, task=f"initrd:{name}", after=after, inputs=inputs)


# Linux 2.4: an ext2 image with linuxrc


def _add_linuxrc(graph: "Graph", chosen: LinuxrcInitrd) -> None:
    _add_written(graph, "initrd", graph.plan.initrd, chosen, chosen.tools, chosen.modules, server=False)
    if isinstance(graph.recipe.filesystem, Gfs1Filesystem):
        target = graph.plan.initrd_memexp
        _add_written(graph, "initrd-memexp", target, chosen, chosen.tools, chosen.modules, server=True)


def _add_written(
    graph: "Graph",
    name: str,
    target: Path,
    chosen: LinuxrcInitrd | HistoricInitrd,
    tools: Sequence[str],
    modules: Sequence[str],
    *,
    server: bool,
) -> None:
    """Add a step that puts an initrd together from files of the root; of the lock server if *server*."""
    from ssiuml.layers import cluster_config

    plan, after = graph.plan, _below(graph)

    def inputs() -> Values:
        from ssiuml.historic.initrd import LINUXRC_TEMPLATE

        return {
            "initrd": chosen.model_dump(mode="json"),
            "version": kernel_version(graph),
            "variables": cluster_config.variables(graph.recipe),
            "template": file_sha256(plan.places.templates / LINUXRC_TEMPLATE),
            "time_ns": plan.mtime_ns,
        }

    def write() -> Values:
        from ssiuml.historic.initrd import linuxrc_tree, write_linuxrc_initrd

        disk = linuxrc_tree(
            graph.tree(*after),
            plan.places.templates,
            cluster_config.variables(graph.recipe),
            version=kernel_version(graph),
            tools=tools,
            modules=modules,
            mtime_ns=plan.mtime_ns,
            server=server,
        )
        disk_bytes = write_linuxrc_initrd(target, disk, plan.epoch, chosen.limit_bytes, plan.places.work)
        return {
            "sha256": file_sha256(target),
            "size_bytes": target.stat().st_size,
            "ramdisk_kib": disk_bytes // 1024,
        }

    task = TASK if name == "initrd" else "initrd:memexp"
    graph.add(name, write, target, task=task, after=after, inputs=inputs)


def _below(graph: "Graph") -> list[str]:
    """The layers that an initrd of Linux 2.4 is taken from."""
    return graph.present("base", "cluster-tools", "modules", "opengfs", "config")


# Linux 2.4: made by cluster_mkinitrd in the build appliance


def _add_historic(graph: "Graph", chosen: HistoricInitrd) -> None:
    plan, after = graph.plan, _below(graph)

    def inputs() -> Values:
        return {"initrd": chosen.model_dump(mode="json"), "version": kernel_version(graph)}

    def make() -> Values:
        from ssiuml.historic.initrd import run_cluster_mkinitrd

        appliance = _appliance_of(plan, chosen.appliance)
        run_cluster_mkinitrd(appliance, graph.tree(*after), kernel_version(graph), plan.initrd)
        size_bytes = plan.initrd.stat().st_size
        if size_bytes > chosen.limit_bytes:
            plan.initrd.unlink()
            size, limit = format_size(size_bytes), format_size(chosen.limit_bytes)
            raise StepError(
                f"{plan.initrd.name}: {size} is over initrd.limit, {limit}",
                hint="raise initrd.limit if this size is intended",
            )
        return {"sha256": file_sha256(plan.initrd), "size_bytes": size_bytes}

    graph.add("initrd", make, plan.initrd, task=TASK, after=after, inputs=inputs)
    # The HOWTO names no option of cluster_mkinitrd for the lock server's initrd.
    _add_written(graph, "initrd-memexp", plan.initrd_memexp, chosen, ["/bin/sh"], ["memexp"], server=True)


def _appliance_of(plan: "Plan", recipe: str) -> "Appliance":
    """Return an appliance out of what another recipe has built: its kernel, all modules, its base.

    Raise StepError, with the command that builds it, if it is not built.
    """
    from ssiuml.host.cache import entry_of
    from ssiuml.images.appliance import Appliance
    from ssiuml.kernel import packed
    from ssiuml.pipeline.plan import plan_beside
    from ssiuml.pipeline.step import read_results
    from ssiuml.tree.layer import merge, read_layer

    other = plan_beside(plan, recipe)
    try:
        package = entry_of(read_results(other.places.stamp("kernel"), "kernel")["entry"])
        base = entry_of(read_results(other.places.stamp("base"), "base"))
    except StepError as error:
        raise StepError(
            f"recipe {recipe}: its kernel and base, which the build appliance is made of, are not built",
            hint=f"run `./run recipe={recipe} base kernel`",
        ) from error
    base.verify()
    return Appliance(
        kernel=other.kernel,
        modules_version=str(package.facts["version"]),
        programs=merge([read_layer(base.path), packed.modules_layer(package, None)]),
        work=plan.places.work / "appliance",
    )
