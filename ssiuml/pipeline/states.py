"""What a build would do now, and why, without doing any of it."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ssiuml.pipeline.step import LACKING, Step
from ssiuml.pipeline.timings import read_timing


class Kind(enum.Enum):
    """What is to be said of a step; the values are for people."""

    CURRENT = "up to date"
    STALE = "would be made"
    FOLLOWS = "would follow"
    NEW = "never made"


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
    """The state of each of *steps*, which are in an order in which they can be made."""
    found: dict[str, State] = {}
    for step in steps:
        found[step.name] = _state(step, [found[before.name] for before in step.after if before.name in found])
    return list(found.values())


def _state(step: Step, before: Sequence[State]) -> State:
    timing = read_timing(step.stamp)
    seconds = None if timing is None else timing.seconds
    changing = [state.step.name for state in before if state.kind is not Kind.CURRENT]
    reasons = tuple(step.reasons())
    if not step.stamp.exists():
        return State(step, Kind.NEW, ("it has not been made yet",), seconds)
    if reasons and not (changing and all(reason.startswith(LACKING) for reason in reasons)):
        return State(step, Kind.STALE, reasons, seconds)
    if changing:
        return State(step, Kind.FOLLOWS, (f"after {', '.join(changing)}",), seconds)
    return State(step, Kind.CURRENT, (), seconds)


def summary(states: Sequence[State]) -> str:
    """A line: how many would be made, and how long they took the last time."""
    due = [state for state in states if state.kind is not Kind.CURRENT]
    if not due:
        return f"all {len(states)} steps are up to date"
    known = [state.seconds for state in due if state.seconds is not None]
    unknown = len(due) - len(known)
    parts = [f"{sum(known):.0f} s of work at the last time"] if known else []
    parts += [f"{unknown} not timed yet"] if unknown else []
    return f"{len(due)} of {len(states)} steps would be made: {', '.join(parts)}"
