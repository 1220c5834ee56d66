"""What doit's tasks without a step do. Each function returns the lines to print.

Each imports what it alone needs: every call of doit loads this module.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssiuml.host import session
from ssiuml.pipeline.graph import Graph

if TYPE_CHECKING:
    from ssiuml.pipeline.plan import Plan


def graph_of(plan: "Plan", order: Sequence[str]) -> Graph:
    """Return the steps of *plan*. Raise SsiumlError if it is frozen and uses what is not locked."""
    graph = Graph(plan, order)
    if plan.frozen:
        from ssiuml.errors import SsiumlError
        from ssiuml.pipeline.steps.fetch import not_locked

        problems = not_locked(plan)
        if problems:
            raise SsiumlError(
                "\n".join(problems), hint="lock it without --frozen, or take back what has changed"
            )
    return graph


def check(graph: Graph) -> Sequence[str]:
    """Check the images; see ssiuml.pipeline.check."""
    from ssiuml.pipeline.check import check

    session.begin(graph.plan.places.out)
    check(graph)
    return ()


def release_verify(plan: "Plan", signers: str | None) -> Iterator[str]:
    """Verify the release; *signers* as for ssiuml.release.signing.verify."""
    from ssiuml.release.signing import verify_release

    yield from verify_release(plan.places.releases, None if signers is None else Path(signers))


def recipes(project: Path) -> Iterator[str]:
    """List the recipes of a checkout with their descriptions."""
    from ssiuml.recipe.load import list_recipes

    for name, description in list_recipes(project / "recipes"):
        yield f"{name:20} {description}"


def show(graph: Graph) -> Iterator[str]:
    """Show the whole recipe; below it, as comments, commands of the host and what is not verified."""
    from ssiuml.pipeline.steps._pool_images import command_lines
    from ssiuml.recipe.dump import dump_recipe
    from ssiuml.recipe.unverified import unverified

    yield dump_recipe(graph.recipe).rstrip("\n")
    yield from (f"# {line}" for line in (*command_lines(graph), *unverified(graph.recipe)))


def explain(graph: Graph, tasks: Sequence[str]) -> Iterator[str]:
    """Explain which steps of *tasks*, or of the release, would be made."""
    from ssiuml.pipeline.explain import explanation, states_of

    coloured = sys.__stdout__ is not None and sys.__stdout__.isatty() and not os.environ.get("NO_COLOR")
    yield from explanation(states_of(graph.needed_by(*(tasks or ["release"]))), coloured=coloured)


def lock(plan: "Plan") -> Iterator[str]:
    """Lock the packages that the mirrors have now."""
    from ssiuml.pipeline.lock import renew

    session.begin(plan.places.out)
    yield from renew(plan)


def distclean(graph: Graph) -> Sequence[str]:
    """Remove what was built from the recipe, and the recipe's share of the cache."""
    out = graph.plan.places.out
    session.begin(out)
    graph.remove_cached()
    shutil.rmtree(out)
    return ()
