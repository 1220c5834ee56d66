"""The graph of the steps, as the SVG that graphviz draws."""

from pathlib import Path
from xml.etree import ElementTree

from ssiuml.pipeline.explain import Kind, State
from ssiuml.pipeline.step import Step
from ssiuml.report.graphviz import draw_graph


def step_of(name: str, *after: Step) -> Step:
    return Step(name=name, stamp=Path("/nowhere"), after=after, inputs=dict, make=dict)


def test_the_graph_names_states_in_words_and_leaves_out_redundant_lines() -> None:
    first = step_of("first & <b>")
    second = step_of("second", first)
    third = step_of("third", first, second)
    states = [
        State(first, Kind.CURRENT, (), 1.25),
        State(second, Kind.STALE, ('changed: "x" -> <y>',), None),
        State(third, Kind.FOLLOWS, ("after second",), 60.0),
    ]
    root = ElementTree.fromstring(draw_graph(states, "title <&>"))  # noqa: S314 - written by us
    words = ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("}text")]
    assert {"title <&>", "first & <b>", "up to date, 1.2 s", "would be made", "would follow, 60.0 s"} <= set(
        words
    )
    edges = [each for each in root.iter() if each.get("class") == "edge"]
    assert len(edges) == 2
