"""The steps that give layers on top of the base: cluster tools, modules, configuration, demo, prune."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from ssiuml import (
    archive,
    cluster_config,
    cluster_tools,
    compressed,
    configure,
    demo,
    ext2,
    fakeroot,
    folder,
    gfs,
    gfs1,
    gfs2,
    inittab,
    inventory,
    kernel,
    makefile,
    materialise,
    old_modules,
    opengfs_build,
    pool,
    prune,
    reading,
    tree,
    ubd_nodes,
)
from ssiuml.archive import unpack
from ssiuml.build.origin import source
from ssiuml.build.stepgraph import StepGraph
from ssiuml.cache import Entry, entry_of
from ssiuml.layer import Layer
from ssiuml.recipe import DebianKernel, Demo, FromFolder, FromSource, ModulesOfImage, OpenGfs
from ssiuml.scratch import scratch_folder
from ssiuml.steps import Values, code_digest, file_sha256, folder_digest, package_digest
from ssiuml.units import GIB

MAX_SOURCE_BYTES: Final = GIB  # of an archive of tools, unpacked


def add_steps(graph: StepGraph) -> None:
    """Add cluster-tools, kernel-image, modules, opengfs, config, demo, prune, if the recipe has them."""
    recipe = graph.recipe
    if isinstance(recipe.cluster_tools, str):
        _add_cluster_tools(graph)
    else:
        _add_foreign_cluster_tools(graph, recipe.cluster_tools)
    if isinstance(recipe.kernel, DebianKernel):
        _add_debian_kernel(graph, recipe.kernel)
    elif recipe.kernel.modules != "none":
        _add_old_modules(graph, recipe.kernel.version, recipe.kernel.modules)
    if recipe.opengfs is not None:
        _add_opengfs(graph, recipe.opengfs)
    _add_config(graph)
    if recipe.demo is not None:
        _add_demo(graph, recipe.demo)
    _add_prune(graph)


def kernel_version(graph: StepGraph) -> str:
    """The version of the nodes' kernel; where it is built or unpacked that step is made."""
    recipe = graph.recipe
    if isinstance(recipe.kernel, DebianKernel):
        return str(graph.results("kernel-image")["version"])
    return recipe.kernel.version


def _add_cluster_tools(graph: StepGraph) -> None:
    plan = graph.plan

    def inputs() -> Values:
        return {
            "sources": folder_digest(plan.places.cluster_tools),
            "mtime_ns": plan.mtime_ns,
            "code": code_digest(cluster_tools, folder),
        }

    @contextmanager
    def installed() -> Iterator[Layer]:
        name, source_folder = graph.recipe.distribution.name, plan.places.cluster_tools
        with _work_folder(graph, "cluster-tools") as work:
            yield cluster_tools.install(source_folder, name, work, graph.tree("base"), plan.mtime_ns)

    graph.add_open_layer("cluster-tools", ["base"], inputs, installed)


@contextmanager
def _work_folder(graph: StepGraph, name: str) -> Iterator[Path]:
    """The path of a folder for a step's work, which is gone afterwards."""
    work = graph.plan.places.work / name
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _add_foreign_cluster_tools(graph: StepGraph, origin: FromSource | FromFolder) -> None:
    plan = graph.plan

    def inputs() -> Values:
        sources = {"folder": folder_digest(_folder(graph, origin))} if isinstance(origin, FromFolder) else {}
        code = code_digest(archive, cluster_tools, fakeroot, inventory, makefile, materialise)
        return {
            **sources,
            "from": origin.model_dump(mode="json"),
            "distribution": graph.recipe.distribution.name,
            "mtime_ns": plan.mtime_ns,
            "code": code,
        }

    @contextmanager
    def installed() -> Iterator[Layer]:
        name = graph.recipe.distribution.name
        with (
            _work_folder(graph, "cluster-tools") as work,
            _opened(graph, origin, plan.places.work) as source_folder,
        ):
            yield cluster_tools.install_on_copy(source_folder, name, work, graph.tree("base"), plan.mtime_ns)

    after = ["base"] if isinstance(origin, FromFolder) else ["base", "fetch"]
    graph.add_open_layer("cluster-tools", after, inputs, installed)


def _folder(graph: StepGraph, origin: FromFolder) -> Path:
    return graph.plan.loaded.host_path(origin.folder)


@contextmanager
def _opened(graph: StepGraph, origin: FromSource | FromFolder, work: Path) -> Iterator[Path]:
    """The folder of *origin*; that of a source, the one in its archive, is unpacked, and gone afterwards."""
    if isinstance(origin, FromFolder):
        yield _folder(graph, origin)
        return
    with scratch_folder(work, origin.source) as scratch:
        folder_ = scratch / "archive"
        unpack(source(graph, origin.source), folder_, MAX_SOURCE_BYTES)
        inner = list(folder_.iterdir())
        yield inner[0] if len(inner) == 1 and inner[0].is_dir() else folder_


def _add_old_modules(
    graph: StepGraph, version: str, origin: ModulesOfImage | FromSource | FromFolder
) -> None:
    plan = graph.plan
    work = plan.places.work

    def inputs() -> Values:
        files = {"folder": folder_digest(_folder(graph, origin))} if isinstance(origin, FromFolder) else {}
        chosen = origin.model_dump(mode="json")
        # The older root may be of any kind that is read here.
        packages = package_digest(ext2, gfs, gfs1, gfs2, pool, reading)
        code = [code_digest(archive, compressed, folder, old_modules), packages]
        return {**files, "from": chosen, "version": version, "mtime_ns": plan.mtime_ns, "code": code}

    def opened() -> AbstractContextManager[Layer]:
        if isinstance(origin, ModulesOfImage):
            image = source(graph, origin.from_image)
            return old_modules.modules_of_image(image, version, work, origin.paths)
        if isinstance(origin, FromSource):
            return old_modules.modules_of_archive(source(graph, origin.source), version, work, plan.mtime_ns)
        return nullcontext(old_modules.modules_of_folder(_folder(graph, origin), version, plan.mtime_ns))

    after = [] if isinstance(origin, FromFolder) else ["fetch"]
    graph.add_open_layer("modules", after, inputs, opened)


def _add_opengfs(graph: StepGraph, chosen: OpenGfs) -> None:
    plan = graph.plan
    kernel_tree = plan.loaded.host_path(chosen.kernel_tree)

    def opened() -> AbstractContextManager[Layer]:
        packed, work = source(graph, chosen.source), plan.places.work / "opengfs"
        return opengfs_build.opengfs_layer(packed, kernel_tree, work, graph.tree("base"), plan.mtime_ns)

    def inputs() -> Values:
        # A kernel tree has ten thousands of files: what says how it was configured stands for it.
        state = {
            name: file_sha256(kernel_tree / name)
            for name in (".config", "Makefile", "include/linux/version.h")
            if (kernel_tree / name).is_file()
        }
        code = code_digest(archive, opengfs_build, folder)
        return {
            "source": chosen.source,
            "kernel_tree": str(kernel_tree),
            "state": state,
            "mtime_ns": plan.mtime_ns,
            "code": code,
        }

    graph.add_open_layer("opengfs", ["base", "fetch"], inputs, opened)


def _add_demo(graph: StepGraph, chosen: Demo) -> None:
    plan = graph.plan

    def opened() -> AbstractContextManager[Layer]:
        packed = source(graph, chosen.source)
        return demo.demo_layer(packed, chosen.path, plan.places.work, graph.tree("base"), plan.mtime_ns)

    def inputs() -> Values:
        code = code_digest(archive, demo, folder)
        return {"demo": chosen.model_dump(mode="json"), "mtime_ns": plan.mtime_ns, "code": code}

    graph.add_open_layer("demo", ["base", "fetch"], inputs, opened)


def _add_debian_kernel(graph: StepGraph, chosen: DebianKernel) -> None:
    plan = graph.plan

    def unpack() -> Values:
        package = Path(graph.results("fetch")["kernel_package"])
        entry = kernel.unpack(plan.cache, package)
        kernel.write_program(entry, plan.kernel)
        return {
            "entry": entry.as_values(),
            "version": entry.facts["version"],
            "package": package.name,
            "sha256": file_sha256(plan.kernel),
        }

    def unpacked() -> Entry:
        return entry_of(graph.results("kernel-image")["entry"])

    def modules() -> Layer:
        entry = unpacked()
        entry.verify()
        return kernel.modules_layer(entry, None if chosen.modules == "all" else list(chosen.modules))

    graph.add(
        "kernel-image",
        ["fetch"],
        lambda: {"code": code_digest(kernel)},
        unpack,
        plan.kernel,
        cached=lambda results: [Path(results["entry"]["path"])],
    )
    graph.add_layer(
        "modules", ["kernel-image"], lambda: {"modules": chosen.modules, "code": code_digest(kernel)}, modules
    )


def _add_config(graph: StepGraph) -> None:
    plan, recipe = graph.plan, graph.recipe

    def inputs() -> Values:
        files = [
            {
                **entry.model_dump(mode="json"),
                "sha256": tree.sha256_of(configure.user_content(plan.loaded, number)),
            }
            for number, entry in enumerate(recipe.files)
        ]
        return {
            "files": files,
            "root_password_hash": recipe.root_password_hash,
            "uml": None if recipe.uml is None else recipe.uml.model_dump(mode="json"),
            "mtime_ns": plan.mtime_ns,
            "code": code_digest(configure, inittab, ubd_nodes),
        }

    def configured() -> Layer:
        rendered = cluster_config.image_files(recipe, plan.config)
        return configure.config_layer(
            plan.loaded, rendered, graph.tree("base", "cluster-tools"), plan.mtime_ns
        )

    graph.add_layer("config", ["base", "cluster-tools", "cluster-config"], inputs, configured)


def _add_prune(graph: StepGraph) -> None:
    def pruned() -> Layer:
        return prune.prune_layer(graph.plan.loaded, graph.tree("base", "cluster-tools", "config"))

    graph.add_layer(
        "prune",
        ["base", "cluster-tools", "config"],
        lambda: {"prune": graph.recipe.prune, "code": code_digest(prune)},
        pruned,
    )
