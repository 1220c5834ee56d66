"""The steps fetch and base: downloads, and the distribution that everything else lies on."""

from contextlib import suppress
from pathlib import Path

from ssiuml.historic import base_image
from ssiuml.host.digests import Values
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.step import StepError
from ssiuml.pipeline.steps import downloads, fetch
from ssiuml.recipe.distribution import PackagesDistribution


def add_steps(graph: StepGraph) -> None:
    """Add fetch and base."""
    if isinstance(graph.recipe.distribution, PackagesDistribution):
        fetch.add_steps(graph)
    else:
        _add_image(graph, graph.recipe.distribution.source)


def not_locked(graph: StepGraph) -> list[str]:
    """What goes in without being locked, a sentence each."""
    packaged = isinstance(graph.recipe.distribution, PackagesDistribution)
    return [*(fetch.not_locked(graph.plan) if packaged else ()), *downloads.without_pin(graph)]


def source(graph: StepGraph, name: str) -> Path:
    """The downloaded file of the source *name*; the step fetch is made."""
    return Path(graph.results("fetch")["sources"][name]["path"])


def _add_image(graph: StepGraph, name: str) -> None:
    plan = graph.plan

    def unpack() -> Values:
        graph.forget_layer("base")
        return base_image.get_or_make(plan.cache, source(graph, name), _sha256(graph, name)).as_values()

    def forget() -> None:
        with suppress(StepError, KeyError):  # the stamp may be of other sources
            plan.cache.remove(base_image.key(_sha256(graph, name)))

    graph.add(
        "fetch",
        [],
        lambda: plan.source_inputs,
        lambda: {"sources": downloads.fetch_sources(graph)},
        cached=downloads.source_files,
        objections=lambda results: downloads.unpinned(graph, results),
    )

    graph.add(
        "base", ["fetch"], lambda: {"source": name}, unpack, cached=lambda results: [Path(results["path"])]
    )
    graph.register_entry("base")
    graph.forgetting.append(forget)


def _sha256(graph: StepGraph, name: str) -> str:
    return str(graph.results("fetch")["sources"][name]["sha256"])
