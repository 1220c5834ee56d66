"""How many nodes start at once."""

import pytest

from ssiuml.cluster.starting import starting_at_once


@pytest.mark.parametrize(
    ("nodes", "cores", "at_once"), [(3, 1, 3), (4, 1, 4), (5, 1, 2), (15, 2, 2), (15, 8, 8)]
)
def test_more_than_four_nodes_are_started_a_few_at_a_time(nodes: int, cores: int, at_once: int) -> None:
    assert starting_at_once(nodes, cores) == at_once
