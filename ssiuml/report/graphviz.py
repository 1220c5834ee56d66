"""The graph of a build's steps as SVG, drawn by graphviz."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal
from xml.sax.saxutils import escape

from ssiuml.host.run import run
from ssiuml.host.tools import HostTool
from ssiuml.pipeline.explain import Kind, State, summary

TOOL: Final = HostTool("dot", "graphviz", "draw the graph")
LIMIT_S: Final = 60.0
Direction = Literal["LR", "TB"]  # graphviz: rankdir
FONT: Final = "DejaVu Sans, Verdana, sans-serif"
# Colour of the box, of its edge, style of the edge. The box also names the state in words.
_LOOKS: Final = {
    Kind.CURRENT: ("#e3f4e4", "#2e7d32", "solid"),
    Kind.STALE: ("#ffe6c7", "#b45309", "bold"),
    Kind.FOLLOWS: ("#fff8d6", "#8a6d00", "dashed"),
    Kind.NEW: ("#eceff3", "#5b6470", "dashed"),
}


def draw_graph(states: Sequence[State], title: str, direction: Direction = "LR") -> str:
    """Return an SVG file of the steps, with a line from each to those that are made from it.

    *direction* is from left to right or from top to bottom. The same states give the same picture with the
    same graphviz. Raise CommandError if graphviz fails.
    """
    text = "\n".join(_lines(states, title, direction))
    return run([TOOL.name, "-Tsvg"], timeout_s=LIMIT_S, stdin=text.encode(), merge_stderr=False)


def _lines(states: Sequence[State], title: str, direction: Direction) -> Iterator[str]:
    yield "digraph steps {"
    yield f'graph [rankdir={direction}, ranksep=0.45, nodesep=0.18, pad=0.3, fontname="{FONT}"];'
    yield f"graph [labelloc=t, labeljust=l, label=<{_caption(states, title)}>];"
    yield f'node [shape=box, style="filled,rounded", fontname="{FONT}", fontsize=12, margin="0.14,0.06"];'
    yield 'edge [color="#8a93a0", arrowsize=0.6, penwidth=1.1];'
    known = {state.step.name for state in states}
    for state in states:
        ground, edge, style = _LOOKS[state.kind]
        took = "" if state.seconds is None else f"{state.seconds:.1f} s"
        second = escape(", ".join(filter(None, [state.kind.value, took])))
        label = (
            f'<font point-size="13"><b>{escape(state.step.name)}</b></font><br/>'
            f'<font point-size="10" color="#3c434c">{second}</font>'
        )
        yield (
            f'"{state.step.name}" [label=<{label}>, fillcolor="{ground}", color="{edge}", '
            f'style="filled,rounded,{style}", tooltip="{escape(_tooltip(state), {chr(34): "&quot;"})}"];'
        )
    for state in states:
        for before in _direct(state, states):
            if before in known:
                yield f'"{before}" -> "{state.step.name}";'
    yield "}"


def _direct(state: State, states: Sequence[State]) -> list[str]:
    """Return the steps before a step, without those that another one of them is made from: fewer lines."""
    after = {each.step.name: {before.name for before in each.step.after} for each in states}

    def reaches(name: str, wanted: str) -> bool:
        return any(before == wanted or reaches(before, wanted) for before in after.get(name, ()))

    own = [before.name for before in state.step.after]
    return [name for name in own if not any(reaches(other, name) for other in own if other != name)]


def _tooltip(state: State) -> str:
    return "; ".join([f"{state.step.name}: {state.kind.value}", *state.reasons])


def _caption(states: Sequence[State], title: str) -> str:
    legend = "".join(
        f'<td bgcolor="{ground}" border="1" color="{edge}"><font point-size="10">{kind.value}</font></td>'
        for kind, (ground, edge, _) in _LOOKS.items()
    )
    return (
        f'<table border="0" cellspacing="6"><tr><td align="left" colspan="4"><font point-size="18"><b>'
        f'{escape(title)}</b></font></td></tr><tr><td align="left" colspan="4"><font point-size="12">'
        f"{escape(summary(states))}</font></td></tr><tr>{legend}</tr></table>"
    )
