"""Look for what must not be in a release: secrets, leftovers, unexpected set-id programs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph


def add(graph: "Graph") -> None:
    """Add hygiene, which refuses a root with such things; the set-id programs of the root are its result."""
    plan, allowed = graph.plan, graph.recipe.release.set_id

    def builder() -> list[str]:
        return [str(plan.places.project), str(plan.places.cache)]

    def check() -> "Values":
        from ssiuml.release.hygiene import check_hygiene, set_id_programs

        tree = graph.tree()
        check_hygiene(tree, allowed, builder())
        return {"set_id": set_id_programs(tree)}

    graph.add("hygiene", check, after=graph.layers, inputs=lambda: {"set_id": allowed, "builder": builder()})
