"""The steps of the nodes' kernel: kernel, modules, opengfs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from ssiuml.historic import modules as old_modules
from ssiuml.historic import opengfs_build
from ssiuml.host import tools as host
from ssiuml.host.cache import Entry, entry_of
from ssiuml.host.digests import Values, file_sha256, folder_digest
from ssiuml.kernel import linux_source, package, packed
from ssiuml.kernel.linux_source import SourceBuild
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.step import StepError
from ssiuml.pipeline.steps.base import source
from ssiuml.pipeline.steps.foreign import folder_of
from ssiuml.pipeline.steps.kernel_2002 import HistoricKernel
from ssiuml.recipe.inputs import FromFolder, FromSource, OpenGfs
from ssiuml.recipe.kernel import (
    CvsKernel,
    ModulesOfImage,
    NoKernel,
    PackageKernel,
    ReleaseKernel,
    SourceKernel,
)
from ssiuml.tree.layer import Layer


def add_steps(graph: StepGraph) -> None:
    """Add kernel, modules and opengfs, if the recipe has them."""
    chosen = graph.recipe.kernel
    if isinstance(chosen, PackageKernel):
        _add_kernel(graph, ["fetch"], lambda: {}, lambda: package.unpack(graph.plan.cache, _package(graph)))
        _add_modules(graph, chosen.modules)
    elif isinstance(chosen, SourceKernel):
        _add_source_kernel(graph, chosen)
        _add_modules(graph, chosen.modules)
    elif (build := _historic(graph)) is not None:
        _add_kernel(graph, build.after, build.inputs, build.get_or_build, build.tools)
        _add_modules(graph, "all")
    elif isinstance(chosen, NoKernel) and chosen.modules != "none":
        _add_old_modules(graph, chosen.version, chosen.modules)
    if graph.recipe.opengfs is not None:
        _add_opengfs(graph, graph.recipe.opengfs)


def kernel_version(graph: StepGraph) -> str:
    """The version of the nodes' kernel; where it is built or unpacked that step is made."""
    chosen = graph.recipe.kernel
    return chosen.version if isinstance(chosen, NoKernel) else str(graph.results("kernel")["version"])


def _package(graph: StepGraph) -> Path:
    return Path(graph.results("fetch")["kernel_package"])


def _add_kernel(
    graph: StepGraph,
    after: list[str],
    inputs: Callable[[], Values],
    get_or_make: Callable[[], Entry],
    tools: tuple[host.HostTool, ...] = (),
) -> None:
    """Add the step that puts the kernel among the images; *get_or_make* has it in the cache.

    *tools* are there before; which compiler that is may be among the inputs.
    """
    plan = graph.plan

    def made() -> Values:
        entry = get_or_make()
        packed.write_program(entry, plan.kernel)
        return {
            "entry": entry.as_values(),
            "version": entry.facts["version"],
            "package": graph.results("fetch").get("kernel_package", "").rpartition("/")[2],
            "sha256": file_sha256(plan.kernel),
        }

    graph.add(
        "kernel",
        after,
        inputs,
        made,
        plan.kernel,
        cached=lambda results: [Path(results["entry"]["path"])],
        modules=(get_or_make.__module__,),
        prepare=lambda: host.require(tools),
    )
    graph.forgetting.append(lambda: _forget(graph))


def _forget(graph: StepGraph) -> None:
    with suppress(StepError):
        entry_of(graph.results("kernel")["entry"]).remove()
    graph.plan.kernel_tree.remove()


def _add_modules(graph: StepGraph, chosen: str | tuple[str, ...]) -> None:
    def modules() -> Layer:
        entry = entry_of(graph.results("kernel")["entry"])
        entry.verify()
        return packed.modules_layer(entry, None if isinstance(chosen, str) else list(chosen))

    graph.add_layer("modules", ["kernel"], lambda: {"modules": chosen}, modules)


def _add_source_kernel(graph: StepGraph, chosen: SourceKernel) -> None:
    plan = graph.plan

    def build() -> SourceBuild:
        return SourceBuild(
            package=_package(graph),
            package_sha256=graph.results("fetch")["kernel_sha256"],
            patches=None if chosen.patches is None else plan.loaded.host_path(chosen.patches),
            config=tuple(map(plan.loaded.host_path, chosen.config)),
            epoch=plan.epoch,
            tree=plan.kernel_tree,
            log=plan.kernel_log,
            distcc=plan.distcc,
        )

    _add_kernel(
        graph,
        ["fetch"],
        lambda: build().inputs(),
        lambda: linux_source.get_or_build(plan.cache, build()),
        host.KERNEL_TOOLS,
    )


def _add_old_modules(
    graph: StepGraph, version: str, origin: ModulesOfImage | FromSource | FromFolder
) -> None:
    plan = graph.plan
    work = plan.places.work

    def inputs() -> Values:
        files = {"folder": folder_digest(folder_of(graph, origin))} if isinstance(origin, FromFolder) else {}
        chosen = origin.model_dump(mode="json")
        return {**files, "from": chosen, "version": version, "mtime_ns": plan.mtime_ns}

    def opened() -> AbstractContextManager[Layer]:
        if isinstance(origin, ModulesOfImage):
            image = source(graph, origin.from_image)
            return old_modules.modules_of_image(image, version, work, origin.paths)
        if isinstance(origin, FromSource):
            return old_modules.modules_of_archive(source(graph, origin.source), version, work, plan.mtime_ns)
        return nullcontext(old_modules.modules_of_folder(folder_of(graph, origin), version, plan.mtime_ns))

    after = [] if isinstance(origin, FromFolder) else ["fetch"]
    graph.add_open_layer("modules", after, inputs, opened)


def _add_opengfs(graph: StepGraph, chosen: OpenGfs) -> None:
    plan = graph.plan

    @contextmanager
    def opened_layer() -> Iterator[Layer]:
        packed, work = source(graph, chosen.source), plan.places.work / "opengfs"
        with (
            _kernel_tree(graph, chosen) as (kernel_tree, root),
            opengfs_build.opengfs_layer(
                packed, kernel_tree, work, graph.tree("base"), plan.mtime_ns, root
            ) as layer,
        ):
            yield layer

    def inputs() -> Values:
        return {
            "source": chosen.source,
            "kernel_tree": chosen.kernel_tree,
            "state": {} if chosen.kernel_tree is None else _state(plan.loaded.host_path(chosen.kernel_tree)),
            "mtime_ns": plan.mtime_ns,
        }

    kernel = _historic(graph)
    after = ["base", "fetch"] if chosen.kernel_tree is not None else ["base", "fetch", "kernel"]
    tools = () if kernel is None else kernel.tools
    graph.add_open_layer("opengfs", after, inputs, opened_layer, prepare=lambda: host.require(tools))


def _historic(graph: StepGraph) -> HistoricKernel | None:
    chosen = graph.recipe.kernel
    return HistoricKernel(graph, chosen) if isinstance(chosen, ReleaseKernel | CvsKernel) else None


@contextmanager
def _kernel_tree(graph: StepGraph, chosen: OpenGfs) -> Iterator[tuple[Path, Path | None]]:
    """The configured kernel source, and the root whose compiler fits it, None for the host's."""
    kernel = _historic(graph)
    if chosen.kernel_tree is not None:
        with nullcontext() if kernel is None else kernel.toolchain_root() as root:
            yield graph.plan.loaded.host_path(chosen.kernel_tree), root
    elif kernel is not None:
        with kernel.built_tree() as built:
            yield built


def _state(kernel_tree: Path) -> dict[str, str]:
    """A kernel tree has ten thousands of files: what says how it was configured stands for it."""
    names = (".config", "Makefile", "include/linux/version.h")
    return {name: file_sha256(kernel_tree / name) for name in names if (kernel_tree / name).is_file()}
