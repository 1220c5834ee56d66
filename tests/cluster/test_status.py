"""What ssi-status prints."""

import pytest

from ssiuml.cli.status import ranges


@pytest.mark.parametrize(
    ("numbers", "said"),
    [([], ""), ([4], "4"), ([1, 2], "1 2"), ([1, 2, 3], "1-3"), ([1, 3, 4, 5, 6, 9, 10], "1 3-6 9 10")],
)
def test_runs_of_nodes_are_written_short(numbers: list[int], said: str) -> None:
    assert ranges(numbers) == said
