"""The last step, build-root: the manifest of what was built."""

from pathlib import Path
from typing import Any

from ssiuml import manifest
from ssiuml.host.digests import Values, digest_of
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps.kernel import kernel_version
from ssiuml.recipe.unverified import unverified


def add_steps(graph: StepGraph) -> None:
    """Add build-root, after every step that leaves an image."""
    plan, recipe = graph.plan, graph.recipe

    def describe() -> Values:
        fetched = graph.results("fetch")
        values = manifest.describe(
            plan.loaded,
            images={
                key: {"file": path.name, **graph.results(name)} for key, (name, path) in images(graph).items()
            },
            kernel=_kernel(graph),
            base={"locked": fetched["base"]["locked"]} if "base" in fetched else {},
            packages=graph.results("base")["facts"].get("packages", {}),
            unverified=unverified(recipe),
            epoch=plan.epoch,
        )
        manifest.write(plan.places.out, values)
        return {}

    def inputs() -> Values:
        return {"recipe": digest_of(recipe.model_dump(mode="json"))}

    kernel = ["kernel"] if "kernel" in graph.steps else []
    after = ["fetch", "base", *kernel, *(name for name, _ in images(graph).values())]
    graph.add("build-root", after, inputs, describe, plan.manifest)


def images(graph: StepGraph) -> dict[str, tuple[str, Path]]:
    """Step and path of each image but the kernel, by its key in the manifest."""
    plan = graph.plan
    steps = {
        "root_fs": ("copy-root", plan.root_fs),
        "root_cidev": ("gfsconf", plan.root_cidev),
        "initrd": ("initrd", plan.initrd),
        "initrd_memexp": ("initrd-memexp", plan.initrd_memexp),
    }
    return {key: (name, path) for key, (name, path) in steps.items() if name in graph.steps}


def _kernel(graph: StepGraph) -> dict[str, Any]:
    kernel = {"version": kernel_version(graph), "parameters": list(graph.recipe.kernel.parameters)}
    if "kernel" not in graph.steps:
        return kernel
    facts = graph.results("kernel")
    origin = {}
    if facts["package"]:
        origin = {"package": facts["package"], "locked": graph.results("fetch")["kernel_locked"]}
    return {**kernel, "file": graph.plan.kernel.name, **origin, "sha256": facts["sha256"]}
