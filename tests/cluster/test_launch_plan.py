"""The timings in the plan of a cluster."""

import pytest

from ssiuml.cluster.launch_plan import processors_to_pin_to, token_ms


@pytest.mark.parametrize(
    ("nodes", "cores", "expected_ms"),
    [(1, 2, 2000), (3, 2, 2000), (4, 2, 2250), (8, 2, 3250), (9, 2, 7000), (15, 2, 10000), (15, 4, 5000)],
)
def test_the_token_timeout_grows_with_nodes_and_load(nodes: int, cores: int, expected_ms: int) -> None:
    assert token_ms(2000, nodes, cores) == expected_ms


@pytest.mark.parametrize(
    ("allowed", "chosen"), [({0}, ()), ({5}, ()), ({1, 0}, (0, 1)), ({7, 3, 9}, (3, 7, 9))]
)
def test_nodes_are_pinned_only_if_there_is_more_than_one_processor(
    allowed: set[int], chosen: tuple[int, ...]
) -> None:
    assert processors_to_pin_to(allowed) == chosen
