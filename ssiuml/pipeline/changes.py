"""The differences of two JSON values as lines for people, each with the value before and the value now."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

LONGEST: Final = 48  # a longer value is cut to so many letters
MOST_NAMED: Final = 6  # of a longer list only so many entries are named
DIGEST_DIGITS: Final = 12
_DIGEST: Final = re.compile(r"[0-9a-f]{40,128}")
_ABSENT: Final = object()  # None is a value


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each value that differs, with its path: ``filesystem.journals: 3 -> 4``."""
    return [
        line
        for key in sorted(before.keys() | now.keys())
        if before.get(key, _ABSENT) != now.get(key, _ABSENT)
        for line in _lines(key, before.get(key, _ABSENT), now.get(key, _ABSENT))
    ]


def _lines(path: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        yield from (f"{path}.{line}" for line in changes(before, now))
    elif _are_names(before) and _are_names(now) and set(before) != set(now):
        yield f"{path}: {_difference(before, now)}"
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            if one != other:
                yield from _lines(f"{path}[{index}]", one, other)
    else:
        yield f"{path}: {_shown(before)} -> {_shown(now)}"


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, str) and not _DIGEST.fullmatch(each) for each in value
    )


def _difference(before: list[str], now: list[str]) -> str:
    added = [f"+{name}" for name in now if name not in before]
    removed = [f"-{name}" for name in before if name not in now]
    words = [*added, *removed]
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return " ".join(words[:MOST_NAMED]) + more


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if value is None:
        return "none"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value[:DIGEST_DIGITS]
    if isinstance(value, dict | list) and len(str(value)) > LONGEST:
        return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}"
    text = str(value).replace("\n", " ")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
