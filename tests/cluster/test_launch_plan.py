"""The timings in the plan of a cluster."""

import pytest

from ssiuml.cluster.launch_plan import token_ms


@pytest.mark.parametrize(
    ("nodes", "cores", "expected_ms"),
    [(1, 2, 2000), (3, 2, 2000), (4, 2, 2250), (8, 2, 3250), (9, 2, 7000), (15, 2, 10000), (15, 4, 5000)],
)
def test_the_token_timeout_grows_with_nodes_and_load(nodes: int, cores: int, expected_ms: int) -> None:
    assert token_ms(2000, nodes, cores) == expected_ms
