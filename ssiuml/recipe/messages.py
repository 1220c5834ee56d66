"""Turn pydantic's errors about the data of a recipe into problems that a user can read."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ssiuml.recipe.choice import sections_of
from ssiuml.recipe.model import Recipe
from ssiuml.recipe.problems import KeyPath, Problem
from ssiuml.recipe.section import Section
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
        # Tags "<...>" are in the path only because a key has several kinds of values.
        path = tuple(key for key in details["loc"] if not str(key).startswith("<"))
        yield from _problems_of(details, path, places.get(path))


def _problems_of(details: ErrorDetails, path: KeyPath, place: Place | None) -> Iterator[Problem]:
    context = details.get("ctx", {})
    match details["type"]:
        case "recipe":
            for problem in context["problems"]:
                yield Problem(path + problem.path, problem.message, problem.hint)
        case "missing":
            field = _fields_at(details["loc"][:-1])[str(path[-1])]
            yield Problem(path, "is missing", f"add {path[-1]}: {field.description}")
        case "extra_forbidden":
            yield Problem(path, "there is no such key", _similar_key(details["loc"]))
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


def _fields_at(location: KeyPath) -> dict[str, FieldInfo]:
    """Return the fields, by their keys in the file, of the section at *location*.

    *location* is pydantic's: a tag follows each key that has several kinds of values.
    """
    kinds: dict[str, type[Section]] = {"": Recipe}
    in_mapping = False
    for key in location:
        if in_mapping:  # the key is a name that the user chose
            in_mapping = False
        elif str(key).startswith("<"):
            kinds = {"": kinds[str(key)]}
        elif isinstance(key, str):
            field = kinds[""].fields_by_key()[key]
            in_mapping = get_origin(field.annotation) is dict
            kinds = sections_of(field)
    return kinds[""].fields_by_key()


def _similar_key(location: KeyPath) -> str:
    """Return the hint for an unknown key: one that is similar, or else all that are possible."""
    known = list(_fields_at(location[:-1]))
    if len(location) == 1:
        known.insert(1, "extends")
    if close := get_close_matches(str(location[-1]), known, n=1):
        return f"did you mean {close[0]}?"
    return f"use one of {', '.join(known)}"
