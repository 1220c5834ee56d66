"""Differences of values, as people read them."""

from typing import Any

import pytest

from ssiuml.pipeline.changes import changes

ONE, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": {"c": 3}}}, {"a": {"b": {"c": 4}}}, ["a.b.c: 3 -> 4"]),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, ["a.b: 1 -> absent", "a.c: absent -> 1"]),
        ({"code": ONE}, {"code": OTHER}, ["code: aaaaaaaaaaaa -> bbbbbbbbbbbb"]),
        ({"code": [ONE, ONE]}, {"code": [ONE, OTHER]}, ["code[1]: aaaaaaaaaaaa -> bbbbbbbbbbbb"]),
        ({"code": [ONE]}, {"code": [ONE, OTHER]}, ["code: 1 entry -> 2 entries"]),
        ({"names": ["a", "b"]}, {"names": ["b", "c"]}, ["names: +c -a"]),
        ({"names": ["a", "b"]}, {"names": ["b", "a"]}, ["names[0]: a -> b", "names[1]: b -> a"]),
        ({"names": []}, {"names": list("abcdefgh")}, ["names: +a +b +c +d +e +f and 2 more"]),
        ({"text": "x\ny"}, {"text": "z" * 60}, [f"text: x y -> {'z' * 47}…"]),
        ({"on": False}, {"on": True}, ["on: False -> True"]),
        ({"a": {"b": 1}}, {"a": 2}, ["a: {'b': 1} -> 2"]),
    ],
)
def test_each_difference_is_a_line_with_its_path(
    before: dict[str, Any], now: dict[str, Any], lines: list[str]
) -> None:
    assert changes(before, now) == lines
