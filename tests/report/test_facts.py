"""The tables and pictures of a report."""

from xml.etree import ElementTree

import pytest

from ssiuml.report.facts import Bar, draw_timeline


def test_bars_begin_and_end_in_proportion_to_the_times_of_the_steps() -> None:
    drawn = draw_timeline([Bar("one", 0.0, 10.0, earlier=False), Bar("<two>", 10.0, 5.0, earlier=False)])
    root = ElementTree.fromstring(drawn)  # noqa: S314 - written by us
    (one, two) = (each for each in root.iter() if each.get("class") == "bar")
    end_of_one = float(one.get("x", 0)) + float(one.get("width", 0))
    assert float(two.get("x", 0)) == pytest.approx(end_of_one, abs=0.2)
    assert float(one.get("width", 0)) == pytest.approx(2 * float(two.get("width", 0)), rel=0.01)
    assert "<two>" in [each.text for each in root.iter()]
