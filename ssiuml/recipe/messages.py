"""Says in prose what is wrong with a recipe's data, from what pydantic found."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ssiuml.recipe.model import Recipe
from ssiuml.recipe.problems import KeyPath, Problem
from ssiuml.recipe.yaml_file import Place, kind_of

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "model_type": "a mapping (lines `key: value`)",
}


def explain(error: ValidationError, places: Mapping[KeyPath, Place]) -> Iterator[Problem]:
    """Yield a problem for each thing that pydantic found; *places* tells how the values are written."""
    for details in error.errors():
        # Tags in "<>" are in the path only because a field has two shapes.
        path = tuple(key for key in details["loc"] if not str(key).startswith("<"))
        yield from _explain_one(details, path, places.get(path))


def _explain_one(details: ErrorDetails, path: KeyPath, place: Place | None) -> Iterator[Problem]:
    context = details.get("ctx", {})
    match details["type"]:
        case "recipe":
            for problem in context["problems"]:
                yield Problem(path + problem.path, problem.message, problem.hint)
        case "missing":
            field = fields_at(details["loc"][:-1])[str(path[-1])]
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


def fields_at(location: KeyPath) -> dict[str, FieldInfo]:
    """Return the fields, by their keys in the file, of the section that *location* leads to.

    *location* has a tag "<SHAPE>" behind each key whose section comes in several shapes.
    """
    shapes: dict[str, type[BaseModel]] = {"": Recipe}
    in_mapping = False
    for key in location:
        if in_mapping:
            in_mapping = False
        elif str(key).startswith("<"):
            shapes = {"": shapes[str(key)]}
        elif isinstance(key, str):
            annotation = _by_key(shapes[""])[key].annotation
            in_mapping = get_origin(annotation) is dict
            shapes = dict(_sections_in(annotation, ""))
    return _by_key(shapes[""])


def _by_key(section: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _sections_in(annotation: Any, tag: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections that a field can hold, each with its tag, or "" if there is no choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield tag, annotation
    parts = get_args(annotation)
    tag = next((part.tag for part in parts if isinstance(part, Tag)), tag)
    for part in parts:
        yield from _sections_in(part, tag)


def _similar_key(location: KeyPath) -> str:
    """Return the hint for an unknown key: one that is like it, else all there are."""
    known = list(fields_at(location[:-1]))
    if len(location) == 1:
        known.insert(1, "extends")
    if close := get_close_matches(str(location[-1]), known, n=1):
        return f"did you mean {close[0]}?"
    return f"the keys here are {', '.join(known)}"
