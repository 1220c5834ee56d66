"""What the step fetch does for the recipe's sources, whatever its base is made of."""

from pathlib import Path

from ssiuml.host.digests import Values
from ssiuml.pipeline.graph import StepGraph
from ssiuml.sources.fetch import Fetched, fetch, wanted_sha256


def fetch_sources(graph: StepGraph) -> dict[str, dict[str, object]]:
    """Fetch the recipe's sources: path and SHA-256 by name."""
    plan = graph.plan
    fetched: dict[str, Fetched] = {}
    for name in graph.recipe.used_sources:
        fetched[name] = fetch(
            plan.source(name), downloads=plan.downloads, lock=plan.lock, offline=plan.offline
        )
    return {name: {"path": str(one.path), "sha256": one.sha256} for name, one in fetched.items()}


def unpinned(graph: StepGraph, results: Values) -> list[str]:
    """Sources that are not what the recipe's lock file has: somebody has changed it."""
    plan = graph.plan
    fetched = {name: each["sha256"] for name, each in results["sources"].items()}
    return [
        f"source '{name}' is not what {plan.lock.path.name} has"
        for name in graph.recipe.used_sources
        if name in fetched and wanted_sha256(plan.source(name), plan.lock) != fetched[name]
    ]


def without_pin(graph: StepGraph) -> list[str]:
    """Sources of which nothing says what they have to be, a sentence each."""
    plan = graph.plan
    return [
        f"{plan.lock.shown} does not pin the source '{name}'"
        for name in graph.recipe.used_sources
        if wanted_sha256(plan.source(name), plan.lock) is None
    ]


def source_files(results: Values) -> list[Path]:
    """The files that the step fetch has left of them."""
    return [Path(each["path"]) for each in results["sources"].values()]
