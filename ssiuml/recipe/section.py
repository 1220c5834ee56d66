"""What the parts of a recipe have in common, and parts that come in several shapes."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator

from ssiuml.recipe.problems import Problem, all_wrong

AS_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)


class Section(BaseModel):
    """A part of a recipe: no change, no unknown key, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def shaped_by(key: str, default: str) -> Discriminator:
    """Choose the shape of a section by the value of *key*; its classes are tagged "<VALUE>".

    The loader drops tags from the paths of errors. Stands before `one_of` in an Annotated.
    """

    def tag(value: Any) -> str:
        return f"<{_value_of(value, key, default)}>"

    return Discriminator(tag)


def one_of(key: str, default: str, *possible: str) -> BeforeValidator:
    """Return a validator for the *key* that `shaped_by` goes by."""

    def check(value: Any) -> Any:
        if isinstance(value, Mapping | BaseModel):
            chosen = _value_of(value, key, default)
            if chosen not in possible:
                hint = f"write {_enumerated(possible)}"
                raise all_wrong([Problem((key,), f"{chosen!r} is not possible", hint)])
        return value

    return BeforeValidator(check)


def _value_of(value: Any, key: str, default: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(key, default)
    return getattr(value, key, default)


def _enumerated(words: tuple[str, ...]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
