"""ssi-net: the words that it takes, and how faults are shown."""

from typing import Any

import pytest

from ssiuml.cli.net import main, milliseconds, node_group, percent
from ssiuml.cli.status import fault_lines
from ssiuml.errors import UsageError


@pytest.mark.parametrize(
    ("text", "nodes"), [("3", [3]), ("1,2", [1, 2]), ("1-3,7", [1, 2, 3, 7]), ("2-2", [2])]
)
def test_a_group_is_node_numbers_and_ranges(text: str, nodes: list[int]) -> None:
    assert node_group(text) == nodes


@pytest.mark.parametrize(("text", "ms"), [("50ms", 50), ("1.5s", 1500), ("500us", 0.5), ("0ms", 0)])
def test_a_time_has_a_unit(text: str, ms: float) -> None:
    assert milliseconds(text) == ms


def test_a_share_is_in_percent() -> None:
    assert (percent("10%"), percent("0.25%")) == (10, 0.25)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cut"], "cut: between which nodes?\n  give groups of nodes, such as 1,2 3"),
        (["delay"], "delay: '' is not a time"),
        (["delay", "50ms"], "delay: between which nodes?"),
        (["delay", "1", "2"], "delay: '2' is not a time\n  end with a time, such as 50ms or 1.5s"),
        (["delay", "1", "2", "-5ms"], "delay: '-5ms' is not a time"),
        (["loss", "1", "2", "10"], "loss: '10' is not a share\n  end with a share, such as 10% or 0.5%"),
        (["cut", "1", "x"], "'x' is not a node number"),
        (["cut", "1,,2"], "'' is not a node number"),
        (["cut", "3-1"], "'3-1': begins after its end\n  give 1-3"),
        (["cut", "1-"], "'' is not a node number"),
        (["heal", "0"], "'0' is not a node number"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        main(["--", *words])
    assert str(caught.value).startswith(said)


def fault(one: int, other: int, **more: Any) -> dict[str, Any]:
    return {"nodes": [one, other], "cut": False, "delay_ms": 0, "loss_percent": 0, **more}


def test_nodes_for_which_the_same_holds_share_a_line() -> None:
    cuts = [fault(one, other, cut=True) for one in range(1, 8) for other in range(8, 16)]
    assert fault_lines(cuts) == ["between 1-7 and 8-15: cut"]
    assert fault_lines(
        [
            fault(1, 2, delay_ms=50.0, loss_percent=2.5),
            fault(1, 3, loss_percent=2.5),
            fault(2, 3, delay_ms=0.5),
            fault(2, 4, delay_ms=5.0, cut=True),
        ]
    ) == [
        "between 1 and 2: 50 ms later, 2.5 % lost",
        "between 1 and 3: 2.5 % lost",
        "between 2 and 3: 0.5 ms later",
        "between 2 and 4: cut",
    ]
    assert fault_lines([]) == []
