"""The steps that give layers on top of the base: cluster tools, modules, configuration, demo, prune."""

from pathlib import Path

from ssiuml import cluster_config, cluster_tools, configure, folder, kernel, prune, tree
from ssiuml.build.stepgraph import StepGraph
from ssiuml.cache import Entry, entry_of
from ssiuml.layer import Layer
from ssiuml.recipe import DebianKernel
from ssiuml.steps import Values, code_digest, file_sha256, folder_digest


def add_steps(graph: StepGraph) -> None:
    """Add cluster-tools, kernel-image, modules, config, demo and prune."""
    _add_cluster_tools(graph)
    if isinstance(graph.recipe.kernel, DebianKernel):
        _add_debian_kernel(graph, graph.recipe.kernel)
    _add_config(graph)
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

    def install() -> Layer:
        return cluster_tools.install(
            plan.places.cluster_tools,
            graph.recipe.distribution.name,
            plan.places.work / "cluster-tools",
            below=graph.tree("base"),
            mtime_ns=plan.mtime_ns,
        )

    graph.add_layer("cluster-tools", ["base"], inputs, install)


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
            "mtime_ns": plan.mtime_ns,
            "code": code_digest(configure),
        }

    def configured() -> Layer:
        rendered = cluster_config.image_files(recipe, plan.config)
        return configure.config_layer(plan.loaded, rendered, graph.tree("base"), plan.mtime_ns)

    graph.add_layer("config", ["base", "cluster-config"], inputs, configured)


def _add_prune(graph: StepGraph) -> None:
    def pruned() -> Layer:
        return prune.prune_layer(graph.plan.loaded, graph.tree("base", "cluster-tools", "config"))

    graph.add_layer(
        "prune",
        ["base", "cluster-tools", "config"],
        lambda: {"prune": graph.recipe.prune, "code": code_digest(prune)},
        pruned,
    )
