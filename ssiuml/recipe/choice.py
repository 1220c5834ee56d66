"""Keys with several kinds of values: ``Annotated[A | B, ByKey("type")]``.

pydantic alone would report what is wrong with every kind. With a choice it reports only what is wrong with
the kind that is meant. Each kind has a tag "<...>", which pydantic puts into the paths of its errors.
"""

import functools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BeforeValidator, Discriminator, GetCoreSchemaHandler, Tag
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from ssiuml.recipe.problems import KeyPath, Problem, all_wrong
from ssiuml.recipe.section import Section

# Returns whether the second value of a key is another kind than the first.
IsOtherKind = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]

_WORD: Final = "<word>"
_LIST: Final = "<list>"


class Choice(ABC):
    """How the kinds of values of one key are told apart."""

    @abstractmethod
    def kinds(self, union: Any) -> dict[str, Any]:
        """Return the members of *union* by their tags."""

    @abstractmethod
    def tag_of(self, value: Any, kinds: Mapping[str, Any]) -> str:
        """Return the tag of the kind that *value* is meant for."""

    @abstractmethod
    def is_other_kind(self, kinds: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Return whether *new* is another of *kinds* than *old*, which a recipe that is extended has."""

    def check(self, value: Any, kinds: Mapping[str, Any]) -> Any:
        """Return *value*. Raise if it is meant for none of *kinds*."""
        return value

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds = self.kinds(union)
        tagged = (Annotated[kind, Tag(tag)] for tag, kind in kinds.items())
        either: Any = functools.reduce(operator.or_, tagged)
        choice = Discriminator(lambda value: self.tag_of(value, kinds))
        check = BeforeValidator(lambda value: self.check(value, kinds))
        return handler.generate_schema(Annotated[either, choice, check])


@dataclass(frozen=True, slots=True)
class ByKey(Choice):
    """Sections with different values of *key*. A section without that key is of the first kind."""

    key: str

    def kinds(self, union: Any) -> dict[str, Any]:
        return {self._tag(section): section for section in get_args(union)}

    def _tag(self, section: type[Section]) -> str:
        (word,) = get_args(section.model_fields[self.key].annotation)
        return f"<{word}>"

    def tag_of(self, value: Any, kinds: Mapping[str, Any]) -> str:
        if isinstance(value, Section):
            return self._tag(type(value))
        given = isinstance(value, Mapping) and self.key in value
        return f"<{value[self.key]}>" if given else next(iter(kinds))

    def is_other_kind(self, kinds: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        return self.key in new and self.tag_of(new, kinds) != self.tag_of(old, kinds)

    def check(self, value: Any, kinds: Mapping[str, Any]) -> Any:
        if self.tag_of(value, kinds) not in kinds:
            *others, last = (tag.strip("<>") for tag in kinds)
            hint = f"write {', '.join(others)} or {last}"
            raise all_wrong([Problem((self.key,), f"{value[self.key]!r} is not possible", hint)])
        return value


@dataclass(frozen=True, slots=True)
class ByForm(Choice):
    """Words, a list, and sections without a common key. Any other value is taken for the last kind."""

    def kinds(self, union: Any) -> dict[str, Any]:
        return {_tag_of_form(kind): kind for kind in get_args(union)}

    def tag_of(self, value: Any, kinds: Mapping[str, Any]) -> str:
        if isinstance(value, str) and _WORD in kinds:
            return _WORD
        fitting = (tag for tag, kind in kinds.items() if _is_section(kind) and _fits(value, kind))
        return next(fitting, list(kinds)[-1])

    def is_other_kind(self, kinds: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        return not (old.keys() & new.keys())


def _tag_of_form(kind: Any) -> str:
    if _is_section(kind):
        return f"<{next(iter(kind.fields_by_key()))}>"
    return _WORD if get_origin(kind) is Literal else _LIST


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _fits(value: Any, section: type[Section]) -> bool:
    if isinstance(value, Mapping):
        return not value.keys().isdisjoint(section.fields_by_key())
    return isinstance(value, section)


def kinds_of(field: FieldInfo) -> dict[str, Any]:
    """Return the types of the values that *field* can hold, by their tags; by "" where there is no choice."""
    choice = _choice_of(field)
    return choice.kinds(field.annotation) if choice else {"": _innermost(field.annotation)}


def sections_of(field: FieldInfo) -> list[type[Section]]:
    """Return the sections that *field* can hold."""
    return [kind for kind in kinds_of(field).values() if _is_section(kind)]


def choices_in(section: type[Section], path: KeyPath = ()) -> Iterator[tuple[KeyPath, IsOtherKind]]:
    """Yield the path of each key in *section* that has a choice, and the function that compares two kinds.

    The function takes an old and a new value of the key. *path* is that of *section*. Lists, and mappings
    whose keys the user chooses, are not searched: there are no choices in them.
    """
    for key, field in section.fields_by_key().items():
        if get_origin(field.annotation) in (dict, tuple):
            continue
        here = (*path, key)
        if choice := _choice_of(field):
            yield here, functools.partial(choice.is_other_kind, choice.kinds(field.annotation))
        for each in sections_of(field):
            yield from choices_in(each, here)


def _choice_of(field: FieldInfo) -> Choice | None:
    return next((mark for mark in field.metadata if isinstance(mark, Choice)), None)


def _innermost(annotation: Any) -> Any:
    """Return X for X, ``X | None``, ``tuple[X, ...]`` and ``dict[str, X]``."""
    match get_args(annotation):
        case (inner, other) if other in (Ellipsis, type(None)):
            return inner
        case (_, inner) if get_origin(annotation) is dict:
            return inner
    return annotation
