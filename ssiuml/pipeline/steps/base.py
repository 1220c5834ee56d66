"""Make the base layer: the distribution's packages, or its image (HOWTO 5.1)."""

from contextlib import suppress
from typing import TYPE_CHECKING

from ssiuml.host.cache import entry_of
from ssiuml.pipeline.step import StepError
from ssiuml.recipe.distribution import PackagesDistribution

if TYPE_CHECKING:
    from ssiuml.host.cache import Key
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph

OVER = None


def add(graph: "Graph") -> None:
    """Add base."""
    distribution = graph.recipe.distribution
    if isinstance(distribution, PackagesDistribution):
        _add_packages(graph)
    else:
        _add_image(graph, distribution.source)


def _add_packages(graph: "Graph") -> None:
    plan, recipe = graph.plan, graph.recipe

    def key() -> "Key":
        from ssiuml.debian import base
        from ssiuml.pipeline.steps.fetch import selection_of

        selection = selection_of(graph.results("fetch"))
        return base.key(recipe.packaged, recipe.all_packages, selection, plan.epoch)

    def install() -> "Values":
        from ssiuml.debian import base
        from ssiuml.pipeline.steps.fetch import selection_of

        packages = selection_of(graph.results("fetch")).packages
        return base.get_or_make(plan.cache, key(), packages, plan.debs).as_values()

    def forget() -> None:
        with suppress(StepError):
            plan.cache.remove(key())
        _forget_last(graph)

    graph.on_distclean(forget)
    graph.add_cached_layer("base", install, after=["fetch"], inputs=lambda: key().inputs)


def _add_image(graph: "Graph", name: str) -> None:
    plan = graph.plan

    def unpack() -> "Values":
        from ssiuml.historic import base_image
        from ssiuml.pipeline.inputs import source_file, source_sha256

        image = source_file(graph, name)
        return base_image.get_or_make(plan.cache, image, source_sha256(graph, name)).as_values()

    def forget() -> None:
        from ssiuml.historic import base_image
        from ssiuml.pipeline.inputs import source_sha256

        with suppress(StepError, KeyError):  # the stamp may be of other sources
            plan.cache.remove(base_image.key(source_sha256(graph, name)))
        _forget_last(graph)

    graph.on_distclean(forget)
    graph.add_cached_layer("base", unpack, after=["fetch"], inputs=lambda: {"source": name})


def _forget_last(graph: "Graph") -> None:
    """Remove the base of the last build, which other code may have made: then it has another key."""
    with suppress(StepError):
        entry_of(graph.results("base")).remove()
