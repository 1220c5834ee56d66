"""What a build would do now and why, without doing any of it: what ``doit explain`` prints."""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.pipeline.step import LACKING, Step


class Kind(enum.Enum):
    """What would happen to a step; the values are for people."""

    CURRENT = "up to date"
    STALE = "would be made"
    FOLLOWS = "would follow"
    NEW = "never made"


# ECMA-48, select graphic rendition: the colour of each on a terminal.
_COLOURS: Final = {Kind.CURRENT: "32", Kind.STALE: "33", Kind.FOLLOWS: "36", Kind.NEW: "35"}


@dataclass(frozen=True, slots=True)
class State:
    """One step: *reasons* why it would be made, *seconds* how long it took the last time, if it was made.

    A step that FOLLOWS is up to date but for the results of steps before it, which may come out the same.
    """

    step: Step
    kind: Kind
    reasons: tuple[str, ...]
    seconds: float | None


def states_of(steps: Sequence[Step]) -> list[State]:
    """Return the state of each of *steps*, which are in an order in which they can be made."""
    found: dict[str, State] = {}
    for step in steps:
        found[step.name] = _state(step, [found[before.name] for before in step.after if before.name in found])
    return list(found.values())


def _state(step: Step, before: Sequence[State]) -> State:
    duration = step.duration()
    seconds = None if duration is None else duration.seconds
    changing = [state.step.name for state in before if state.kind is not Kind.CURRENT]
    reasons = tuple(step.reasons())
    if not step.stamp.exists():
        return State(step, Kind.NEW, ("it has not been made yet",), seconds)
    if reasons and not (changing and all(reason.startswith(LACKING) for reason in reasons)):
        return State(step, Kind.STALE, reasons, seconds)
    if changing:
        return State(step, Kind.FOLLOWS, (f"after {', '.join(changing)}",), seconds)
    return State(step, Kind.CURRENT, (), seconds)


def explanation(states: Sequence[State], *, coloured: bool) -> Iterator[str]:
    """Yield a line for each step, its reasons below it; *coloured* for a terminal."""
    names = max((len(state.step.name) for state in states), default=0)
    kinds = max(len(kind.value) for kind in Kind)
    for state in states:
        took = "" if state.seconds is None else f"{state.seconds:.1f} s"
        kind = f"{state.kind.value:{kinds}}"
        shown = f"\x1b[{_COLOURS[state.kind]}m{kind}\x1b[0m" if coloured else kind
        yield f"{state.step.name:{names}}  {shown}  {took:>8}".rstrip()
        yield from (f"{'':{names}}    {reason}" for reason in state.reasons if state.kind is not Kind.NEW)
    yield summary(states)


def summary(states: Sequence[State]) -> str:
    """Return a line: how many steps would be made, and how long they took the last time."""
    due = [state for state in states if state.kind is not Kind.CURRENT]
    if not due:
        return f"all {len(states)} steps are up to date"
    known = [state.seconds for state in due if state.seconds is not None]
    unknown = len(due) - len(known)
    parts = [f"they took {sum(known):.0f} s the last time"] if known else []
    parts += [f"{unknown} not timed yet"] if unknown else []
    return f"{len(due)} of {len(states)} steps would be made: {', '.join(parts)}"
