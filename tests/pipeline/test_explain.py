"""What would be made, told without making it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssiuml.pipeline.explain import Kind, explanation, states_of, summary
from ssiuml.pipeline.step import Step


class Chain:
    """Two steps, the second made from the first's result."""

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, Any] = {"first": 1, "second": 1}
        self.failing = False
        self.first = Step(
            name="first",
            stamp=folder / "first.json",
            inputs=lambda: {"value": self.values["first"]},
            make=self._make(lambda: {"result": self.values["first"]}),
        )
        self.second = Step(
            name="second",
            stamp=folder / "second.json",
            after=(self.first,),
            inputs=lambda: {"value": self.values["second"]},
            make=lambda: {},
        )

    def _make(self, made: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        def make() -> dict[str, Any]:
            if self.failing:
                raise RuntimeError("failed")
            return made()

        return make

    def run(self) -> None:
        self.first.run()
        self.second.run()

    def kinds(self) -> list[Kind]:
        return [state.kind for state in states_of([self.first, self.second])]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def test_steps_never_made_say_so_and_nothing_is_written(chain: Chain, tmp_path: Path) -> None:
    assert chain.kinds() == [Kind.NEW, Kind.NEW]
    assert list(tmp_path.iterdir()) == []


def test_a_step_follows_when_only_one_before_it_would_be_made(chain: Chain) -> None:
    chain.run()
    assert chain.kinds() == [Kind.CURRENT, Kind.CURRENT]
    chain.values["first"] = 2
    assert chain.kinds() == [Kind.STALE, Kind.FOLLOWS]
    chain.values["second"] = 2
    assert chain.kinds() == [Kind.STALE, Kind.STALE]


def test_a_step_whose_predecessor_was_interrupted_follows(chain: Chain) -> None:
    chain.run()
    chain.first.stamp.unlink()
    assert chain.kinds() == [Kind.NEW, Kind.FOLLOWS]


def test_the_time_of_the_last_success_is_kept(chain: Chain) -> None:
    chain.run()
    before = chain.first.duration()
    assert before is not None
    chain.values["first"], chain.failing = 2, True
    with pytest.raises(RuntimeError):
        chain.first.run()
    assert chain.first.duration() == before
    chain.first.duration_file.write_text("{")
    assert chain.first.duration() is None


def test_times_are_no_input_of_anything(chain: Chain) -> None:
    chain.run()
    chain.first.duration_file.unlink()
    assert chain.kinds() == [Kind.CURRENT, Kind.CURRENT]


def test_the_summary_adds_up_what_would_be_made(chain: Chain) -> None:
    chain.run()
    assert summary(states_of([chain.first, chain.second])) == "all 2 steps are up to date"
    chain.values["second"] = 2
    chain.second.duration_file.write_text('{"started": 1.0, "seconds": 12.4, "build": 1.0}')
    assert summary(states_of([chain.first, chain.second])) == (
        "1 of 2 steps would be made: they took 12 s the last time"
    )


def test_colours_are_for_terminals_and_change_no_word(chain: Chain) -> None:
    chain.run()
    chain.values["first"] = 2
    states = states_of([chain.first, chain.second])
    plain = "\n".join(explanation(states, coloured=False))
    coloured = "\n".join(explanation(states, coloured=True))
    assert "changed: value: 1 -> 2" in plain
    assert "\x1b" not in plain
    assert plain != coloured
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[35m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain
