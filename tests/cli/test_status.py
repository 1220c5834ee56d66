"""ssi-status: its output."""

import pytest

from ssiuml.cli.status import node_ranges


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([4], "4"), ([1, 2], "1 2"), ([1, 2, 3], "1-3"), ([1, 3, 4, 5, 6, 9, 10], "1 3-6 9 10")],
)
def test_three_and_more_numbers_in_a_row_are_written_as_a_range(numbers: list[int], text: str) -> None:
    assert node_ranges(numbers) == text
