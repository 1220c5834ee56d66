"""The last step, build-root: the manifest of what was built."""

from typing import Any

from ssiuml import manifest
from ssiuml.build.contents import kernel_version
from ssiuml.build.stepgraph import StepGraph
from ssiuml.steps import Values, digest_of


def add_steps(graph: StepGraph) -> None:
    """Add build-root."""
    plan, recipe = graph.plan, graph.recipe

    def describe() -> Values:
        kernel = {"version": kernel_version(graph), "parameters": list(recipe.kernel.parameters)}
        values = manifest.describe(
            plan.loaded,
            root_fs={"file": plan.root_fs.name, **graph.results("copy-root")},
            kernel={**_kernel(graph), **kernel},
            initrd={"file": plan.initrd.name, **graph.results("initrd")},
            packages=graph.results("base")["facts"].get("packages", {}),
            epoch=plan.epoch,
        )
        manifest.write(plan.places.out, values)
        return {}

    def inputs() -> Values:
        return {"recipe": digest_of(recipe.model_dump(mode="json"))}

    after = [
        name for name in ("base", "kernel-image", "copy-root", "gfsconf", "initrd") if name in graph.steps
    ]
    graph.add("build-root", after, inputs, describe, plan.manifest)


def _kernel(graph: StepGraph) -> dict[str, Any]:
    if "kernel-image" not in graph.steps:
        return {}
    facts = graph.results("kernel-image")
    return {"file": graph.plan.kernel.name, "package": facts["package"], "sha256": facts["sha256"]}
