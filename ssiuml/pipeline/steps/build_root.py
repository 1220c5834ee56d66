"""Build root image, kernel and RAM disk, and describe them in manifest.json."""

from typing import TYPE_CHECKING, Any

from ssiuml.host.digests import digest_of, file_sha256
from ssiuml.pipeline.inputs import images, kernel_version
from ssiuml.recipe.kernel import ModernKernel

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add build-root, after every step that leaves an image."""
    plan, recipe = graph.plan, graph.recipe

    def describe() -> "Values":
        from ssiuml import manifest
        from ssiuml.recipe.unverified import unverified

        fetched = graph.results("fetch")
        values = manifest.describe(
            plan.loaded,
            images={
                key: {"file": path.name, **graph.results(name)} for key, (name, path) in images(graph).items()
            },
            kernel=describe_kernel(graph),
            base={"locked": fetched["base"]["locked"]} if "base" in fetched else {},
            packages=graph.results("base")["facts"].get("packages", {}),
            unverified=unverified(recipe),
            epoch=plan.epoch,
        )
        manifest.write(plan.places.out, values)
        return {"sha256": file_sha256(plan.manifest)}

    after = ["fetch", "base", *graph.present("kernel"), *(name for name, _ in images(graph).values())]
    graph.add(
        "build-root",
        describe,
        plan.manifest,
        after=after,
        inputs=lambda: {"recipe": digest_of(recipe.model_dump(mode="json"))},
    )


def describe_kernel(graph: "Graph") -> dict[str, Any]:
    """Return what the manifest says about the kernel."""
    kernel = {"version": kernel_version(graph), "parameters": list(graph.recipe.kernel.parameters)}
    if isinstance(graph.recipe.kernel, ModernKernel):
        kernel["userspace"] = graph.recipe.kernel.userspace
    if "kernel" not in graph:
        return kernel
    facts = graph.results("kernel")
    origin = {}
    if facts["package"]:
        fetched = graph.results("fetch")
        origin = {"package": facts["package"], "locked": fetched["kernel_locked"]}
        if "kernel_instead_of" in fetched:  # the version that the recipe pins; --newest took another
            origin["instead_of"] = fetched["kernel_instead_of"]
    return {**kernel, "file": graph.plan.kernel.name, **origin, "sha256": facts["sha256"]}
