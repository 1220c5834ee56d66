"""Write the graph of the steps and the report of a build into images/RECIPE."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host import tools
from ssiuml.host.files import write_text
from ssiuml.host.templates import render
from ssiuml.pipeline.explain import Kind, State, states_of, summary
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.steps.release import TARBALLS
from ssiuml.recipe.unverified import unverified
from ssiuml.release.version import known_release
from ssiuml.report.facts import Row, bars_of, draw_timeline, image_rows, map_of, package_rows, svg_element
from ssiuml.report.graphviz import TOOL, Direction, draw_graph
from ssiuml.units import format_size

TEMPLATE: Final = "report.html.j2"


def write_graph(graph: Graph) -> Path:
    """Draw all steps of the release into images/RECIPE/graph.svg and return the path.

    Raise CommandError if graphviz fails.
    """
    plan = graph.plan
    target = plan.places.out / "graph.svg"
    write_text(target, _graph(_states(graph), plan, "LR"))
    return target


def write_report(graph: Graph) -> Path:
    """Write images/RECIPE/report.html and return the path.

    Raise SsiumlError if the recipe has not been built, CommandError if graphviz fails.
    """
    plan = graph.plan
    if not plan.manifest.is_file():
        raise SsiumlError(
            f"{plan.manifest}: there is no such file, nothing has been built",
            hint="run ./run build-root, then ./run report",
        )
    target = plan.places.out / "report.html"
    write_text(target, render(plan.places.templates, TEMPLATE, _variables(graph, plan)))
    return target


def _states(graph: Graph) -> list[State]:
    return states_of(graph.needed_by("release"))


def _graph(states: list[State], plan: Plan, direction: Direction) -> str:
    tools.require([TOOL])
    return draw_graph(states, f"ssiuml: steps of {plan.loaded.name}", direction)


def _variables(graph: Graph, plan: Plan) -> dict[str, Any]:
    values = json.loads(plan.manifest.read_text(encoding="utf-8"))
    states = _states(graph)
    # Steps that are not current are left out: their cluster test, for example, ran on other images.
    current = {state.step.name: state.step.results() for state in states if state.kind is Kind.CURRENT}
    bars = bars_of(states)
    count, packages = package_rows(graph.tree())
    moment = datetime.fromtimestamp(plan.manifest.stat().st_mtime, UTC)
    return {
        "recipe": plan.loaded.name,
        "description": plan.recipe.description,
        "release": known_release(plan.places.project),
        "built": f"{moment:%Y-%m-%d %H:%M} UTC",
        "summary": summary(states),
        "figures": _figures(current.get("copy-root", {}), count),
        "tested": current.get("cluster-test"),
        "can_boot": plan.recipe.can_boot,
        "timeline": draw_timeline(bars) if bars else "",
        "images": image_rows(plan, values),
        "tarballs": [_tarball(current[name]) for name in TARBALLS if name in current],
        "package_count": count,
        "packages": packages,
        "map": map_of(plan.root_fs),
        "graph": svg_element(_graph(states, plan, "TB")),
        "unverified": unverified(plan.recipe),
    }


def _figures(root: Any, packages: int) -> list[Row]:
    figures = []
    if root:
        figures.append(Row("root", (format_size(root["size_bytes"]), "size of the file system")))
        figures.append(
            Row("content", (format_size(root["content_bytes"]), f"in {root['names']:,} names")),
        )
        figures.append(Row("on the disk", (format_size(root["allocated_bytes"]), "allocated, sparse")))
    if packages:
        figures.append(Row("packages", (str(packages), "Debian packages")))
    return figures


def _tarball(results: Any) -> Row:
    return Row(Path(results["file"]).name, (format_size(results["size_bytes"]), "", results["sha256"]))
