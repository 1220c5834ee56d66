"""The steps that give layers on top of the base: cluster tools, modules, configuration, demo, prune."""

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ssiuml.historic.cluster_tools import install_on_copy
from ssiuml.historic.uml_changes import uml_layer
from ssiuml.host.digests import Values, folder_digest
from ssiuml.layers import cluster_config, cluster_tools, configure, demo, prune
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps import foreign, kernel
from ssiuml.pipeline.steps.base import source
from ssiuml.recipe.inputs import Demo, FromFolder, FromSource
from ssiuml.tree import tree
from ssiuml.tree.layer import Layer


def add_steps(graph: StepGraph) -> None:
    """Add cluster-tools, kernel, modules, opengfs, config, demo, prune, if the recipe has them."""
    recipe = graph.recipe
    if isinstance(recipe.cluster_tools, str):
        _add_cluster_tools(graph)
    else:
        _add_foreign_cluster_tools(graph, recipe.cluster_tools)
    kernel.add_steps(graph)
    _add_config(graph)
    if recipe.demo is not None:
        _add_demo(graph, recipe.demo)
    _add_prune(graph)


def _add_cluster_tools(graph: StepGraph) -> None:
    plan = graph.plan

    def inputs() -> Values:
        return {
            "sources": folder_digest(plan.places.cluster_tools),
            "mtime_ns": plan.mtime_ns,
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
        sources = (
            {"folder": folder_digest(foreign.folder_of(graph, origin))}
            if isinstance(origin, FromFolder)
            else {}
        )
        return {
            **sources,
            "from": origin.model_dump(mode="json"),
            "distribution": graph.recipe.distribution.name,
            "mtime_ns": plan.mtime_ns,
        }

    @contextmanager
    def installed() -> Iterator[Layer]:
        name = graph.recipe.distribution.name
        with (
            _work_folder(graph, "cluster-tools") as work,
            foreign.opened(graph, origin, plan.places.work) as source_folder,
        ):
            yield install_on_copy(source_folder, name, work, graph.tree("base"), plan.mtime_ns)

    after = ["base"] if isinstance(origin, FromFolder) else ["base", "fetch"]
    graph.add_open_layer("cluster-tools", after, inputs, installed)


def _add_demo(graph: StepGraph, chosen: Demo) -> None:
    plan = graph.plan

    def opened() -> AbstractContextManager[Layer]:
        packed = source(graph, chosen.source)
        return demo.demo_layer(packed, chosen.path, plan.places.work, graph.tree("base"), plan.mtime_ns)

    def inputs() -> Values:
        return {"demo": chosen.model_dump(mode="json"), "mtime_ns": plan.mtime_ns}

    graph.add_open_layer("demo", ["base", "fetch"], inputs, opened)


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
        }

    def configured() -> Layer:
        rendered = cluster_config.image_files(recipe, plan.config)
        tree = graph.tree("base", "cluster-tools")
        layer = configure.config_layer(plan.loaded, rendered, tree, plan.mtime_ns)
        if recipe.uml is None:
            return layer
        # The recipe's own files, which are in the other, go over these changes.
        changes = uml_layer(tree, recipe.uml.ubd_devices, recipe.uml.inittab, plan.mtime_ns)
        return Layer(entries=[*changes.entries, *layer.entries])

    graph.add_layer("config", ["base", "cluster-tools", "cluster-config"], inputs, configured)


def _add_prune(graph: StepGraph) -> None:
    def pruned() -> Layer:
        return prune.prune_layer(graph.plan.loaded, graph.tree("base", "cluster-tools", "config"))

    graph.add_layer(
        "prune",
        ["base", "cluster-tools", "config"],
        lambda: {"prune": graph.recipe.prune},
        pruned,
    )
