"""Read one recipe file into plain data, and remember where each value stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from ssiuml.errors import RecipeError
from ssiuml.recipe.problems import KeyPath, Problem

SUFFIX: Final = ".yaml"
MAX_FILE_BYTES: Final = 256 * 1024
MAX_VALUES: Final = 50_000
MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was set, and how it is written there if it is a single value."""

    file: str
    line: int
    written: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe file: its data (mappings, tuples, single values), their places, and problems with single keys.

    *shown* is its name in messages.
    """

    path: Path
    shown: str
    data: dict[str, Any]
    places: Mapping[KeyPath, Place]
    problems: tuple[tuple[Place, Problem], ...]

    @property
    def name(self) -> str:
        """The name of the recipe."""
        return self.path.name.removesuffix(SUFFIX)


def read_recipe_file(path: Path, shown: str) -> RecipeFile:
    """Read the recipe file *path*, which messages call *shown*.

    Raise RecipeError if the file as a whole cannot be read. Problems with single keys, such as one that is
    set twice, go into the result, so that the loader reports them together with all others.
    """
    node = _compose(_read_text(path, shown), shown)
    if node is None:
        raise RecipeError(
            f"{shown}:1: the file is empty", hint="write a recipe, or begin with extends: trixie"
        )
    if not isinstance(node, yaml.MappingNode):
        place = Place(shown, node.start_mark.line + 1)
        raise RecipeError(f"{place}: this is {kind_of(node)}", hint="write lines `key: value`")
    reader = _Reader(shown)
    data = reader.mapping(node, ())
    return RecipeFile(path, shown, data, reader.places, tuple(reader.problems))


def kind_of(value: Any) -> str:
    """Return the name of the kind of *value*, a YAML node or the data made from it."""
    match value:
        case yaml.MappingNode() | dict():
            return "a mapping"
        case yaml.SequenceNode() | tuple() | list():
            return "a list"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case None:
            return "empty"
        case _:
            return "text"


def _read_text(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{shown}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise RecipeError(
            f"{shown}: is larger than {MAX_FILE_BYTES // 1024} KiB, the limit for a recipe",
            hint="put large contents into files of their own and name them with source:",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _line_and_column(raw[: error.start].decode("utf-8"))
        message = f"{shown}:{place}: byte 0x{raw[error.start]:02x} is not UTF-8"
        raise RecipeError(message, hint="save the file as UTF-8") from error


def _line_and_column(before: str) -> str:
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"


def _compose(text: str, shown: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError(f"{shown}:{place}: this is not YAML: {what}") from error
    except yaml.reader.ReaderError as error:
        place = _line_and_column(text[: error.position])
        message = f"{shown}:{place}: character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise RecipeError(message) from error
    except RecursionError as error:
        raise RecipeError(f"{shown}: is nested more than {MAX_DEPTH} levels deep") from error


@dataclass(slots=True)
class _Reader:
    """Turns nodes into data. Aliases are written out, so that every value has a path of its own."""

    shown: str
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[tuple[Place, Problem]] = field(default_factory=list)
    values: int = 0

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            place = self._place(key_node, value_node)
            if here in self.places:
                message = f"is set twice, at line {self.places[here].line} already"
                self.problems.append((place, Problem(here, message, "remove one of them")))
                continue
            self.places[here] = place
            data[key] = self._value(value_node, here)
        return data

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        """Return the key. Return None, and note why, if it cannot be one."""
        if node.tag == "tag:yaml.org,2002:merge":
            problem = Problem(path, "merge keys (<<) are not supported", "use extends: to build on a recipe")
        elif not isinstance(node, yaml.ScalarNode):
            problem = Problem(path, f"{kind_of(node)} cannot be a key", "write a word")
        elif not isinstance(_scalar(node), str):
            what = kind_of(_scalar(node))
            problem = Problem(path, f"the key {node.value!r} is {what} to YAML, expected a word")
        else:
            return str(node.value)
        self.problems.append((self._place(node, node), problem))
        return None

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            raise RecipeError(f"{self.shown}: has more than {MAX_VALUES} values, with aliases written out")
        # This also ends an alias that stands inside its own anchor.
        if len(path) > MAX_DEPTH:
            raise RecipeError(f"{self._place(node, node)}: is nested more than {MAX_DEPTH} levels deep")
        match node:
            case yaml.MappingNode():
                return self.mapping(node, path)
            case yaml.SequenceNode():
                items = []
                for index, item in enumerate(node.value):
                    self.places[(*path, index)] = self._place(item, item)
                    items.append(self._value(item, (*path, index)))
                return tuple(items)
        if isinstance(node, yaml.ScalarNode) and node.tag in _TAGS:
            return _scalar(node)
        problem = Problem(path, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not supported")
        self.problems.append((self._place(node, node), problem))
        return None

    def _place(self, start: yaml.Node, value: yaml.Node) -> Place:
        written = value.value if isinstance(value, yaml.ScalarNode) else None
        return Place(self.shown, start.start_mark.line + 1, written)


_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp")}


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """Return the value of *node* by YAML's rules, with exceptions that would surprise.

    010 (octal in YAML), 1:30 (90) and 2026-01-01 (a date) stay text.
    """
    text: str = node.value
    match node.tag.removeprefix("tag:yaml.org,2002:"):
        case "int" if re.fullmatch(r"[-+]?(0|[1-9][0-9_]{0,17})", text):
            return int(text.replace("_", ""))
        case "float" if re.fullmatch(r"[-+]?[0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?", text):
            return float(text.replace("_", ""))
        case "bool":
            return yaml.SafeLoader.bool_values.get(text.lower(), text)
        case "null":
            return None
    return text
