"""Turn pydantic's errors about the data of a recipe into problems that a user can read."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ssiuml.recipe.choice import kinds_of
from ssiuml.recipe.model import Recipe
from ssiuml.recipe.problems import KeyPath, Problem
from ssiuml.recipe.yaml_file import Place, kind_of

_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "model_type": "a mapping (lines `key: value`)",
}


def problems_in(error: ValidationError, places: Mapping[KeyPath, Place]) -> Iterator[Problem]:
    """Yield a problem for each error that pydantic found. *places* has the values as they are written."""
    for details in error.errors():
        path, known = _follow(details["loc"])
        yield from _problems_of(details, path, places.get(path), known)


def _problems_of(
    details: ErrorDetails, path: KeyPath, place: Place | None, known: Mapping[str, FieldInfo]
) -> Iterator[Problem]:
    context = details.get("ctx", {})
    match details["type"]:
        case "recipe":
            for problem in context["problems"]:
                yield Problem(path + problem.path, problem.message, problem.hint)
        case "missing":
            key = str(path[-1])
            yield Problem(path, "is missing", f"add {key}: {known[key].description}")
        case "extra_forbidden":
            yield Problem(path, "there is no such key", _similar_key(path, list(known)))
        case "literal_error":
            hint = f"write {context['expected'].replace(chr(39), '')}"
            yield Problem(path, f"{_shown(details['input'], place)} is not possible", hint)
        case "too_short":
            yield Problem(path, "the list is empty", "name at least one")
        case kind if kind in _EXPECTED:
            yield _wrong_type(path, details["input"], place, _EXPECTED[kind])
        case _:
            yield Problem(path, f"{_shown(details['input'], place)}: {details['msg']}")


def _wrong_type(path: KeyPath, value: Any, place: Place | None, expected: str) -> Problem:
    written = place.written if place else None
    if value is None or isinstance(value, dict | tuple | list):
        return Problem(path, f"is {kind_of(value)}, expected {expected}")
    hint = None
    if expected == "text" and written is not None:
        hint = f'put it in quotes: "{written}"'
    elif expected == "a whole number" and isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        hint = f"write it plainly: {int(value)}"
    elif expected == "a list" and written is not None:
        hint = f"write [{written}]"
    kind = kind_of(value) if isinstance(value, str) else f"{kind_of(value)} to YAML"
    return Problem(path, f"{_shown(value, place)} is {kind}, expected {expected}", hint)


def _shown(value: Any, place: Place | None) -> str:
    if place and place.written is not None and not isinstance(value, str):
        return place.written or "nothing"
    return repr(value) if isinstance(value, str | int | float) else kind_of(value)


def _follow(location: KeyPath) -> tuple[KeyPath, dict[str, FieldInfo]]:
    """Return the path of keys in the file to *location*, and the fields of the section with its last key.

    *location* is pydantic's: in it, a tag follows each key that has several kinds of values.
    """
    path: list[str | int] = []
    fields: dict[str, FieldInfo] = {}
    section: Any = Recipe
    tags: dict[str, Any] = {}
    in_mapping = False
    for key in location:
        if isinstance(key, str) and key in tags:
            section, tags = tags[key], {}
            continue
        path.append(key)
        if in_mapping:  # the key is a name that the user chose
            in_mapping = False
        elif isinstance(key, str):
            fields = section.fields_by_key()
            if key in fields:
                in_mapping = get_origin(fields[key].annotation) is dict
                tags = kinds_of(fields[key])
                section = tags.pop("", None)
    return tuple(path), fields


def _similar_key(path: KeyPath, known: list[str]) -> str:
    """Return the hint for an unknown key: one that is similar, or else all that are possible."""
    if len(path) == 1:
        known.insert(1, "extends")
    if close := get_close_matches(str(path[-1]), known, n=1):
        return f"did you mean {close[0]}?"
    return f"use one of {', '.join(known)}"
