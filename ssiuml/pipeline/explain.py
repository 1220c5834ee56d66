"""What ``doit explain`` prints: a line for each step, its reasons below it."""

from collections.abc import Iterator, Sequence
from typing import Final

from ssiuml.pipeline.states import Kind, State, summary

_COLOURS: Final = {Kind.CURRENT: "32", Kind.STALE: "33", Kind.FOLLOWS: "36", Kind.NEW: "35"}


def explanation(states: Sequence[State], *, coloured: bool) -> Iterator[str]:
    """Yield the lines; *coloured* for a terminal (ECMA-48, SGR)."""
    names = max((len(state.step.name) for state in states), default=0)
    kinds = max(len(kind.value) for kind in Kind)
    for state in states:
        took = "" if state.seconds is None else f"{state.seconds:.1f} s"
        kind = f"{state.kind.value:{kinds}}"
        shown = f"\x1b[{_COLOURS[state.kind]}m{kind}\x1b[0m" if coloured else kind
        yield f"{state.step.name:{names}}  {shown}  {took:>8}".rstrip()
        yield from (f"{'':{names}}    {reason}" for reason in state.reasons if state.kind is not Kind.NEW)
    yield summary(states)
