"""Finds recipe files by name and merges a recipe with those it extends."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ssiuml.errors import RecipeError
from ssiuml.recipe.problems import KeyPath
from ssiuml.recipe.yaml_file import Place, Source, read_source

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SUFFIX = ".yaml"
# Sections that come in several shapes: another shape replaces the section, for its keys would not fit. Either
# one key says which shape it is, or every shape has keys of its own.
_SHAPE_KEYS: Mapping[KeyPath, str] = {
    ("distribution",): "base",
    ("filesystem",): "type",
    ("kernel",): "source",
    ("initrd",): "form",
}
_ALTERNATIVES: frozenset[KeyPath] = frozenset(
    {("cluster_tools",), ("kernel", "modules"), ("kernel", "ssi"), ("kernel", "ci")}
)


@dataclass(frozen=True, slots=True)
class Link:
    """One recipe in a chain of `extends`; *shown* is the name of its file in messages."""

    name: str
    path: Path
    shown: str
    source: Source


def recipe_names(recipes_dir: Path) -> list[str]:
    """Return the names of all recipe files in *recipes_dir*, sorted; they may be broken."""
    names = (path.name.removesuffix(_SUFFIX) for path in recipes_dir.glob(f"*{_SUFFIX}"))
    # Editors leave files that begin with a dot.
    return sorted(name for name in names if name and not name.startswith("."))


def read_chain(name: str, recipes_dir: Path) -> list[Link]:
    """Read the recipe *name* and what it extends, itself first.

    Raises RecipeError if one of them does not exist or cannot be read, or if they form a circle.
    """
    chain = [_read_link(name, recipes_dir, "")]
    while "extends" in chain[-1].source.data:
        source = chain[-1].source
        base = source.data["extends"]
        prefix = f"{source.places[('extends',)]}: extends: "
        if not isinstance(base, str):
            hint = "write one name, such as extends: bookworm"
            raise RecipeError(f"{prefix}this is not the name of a recipe", hint=hint)
        names = [link.name for link in chain]
        if base in names:
            circle = " -> ".join([*names[names.index(base) :], base])
            hint = "remove one extends of these"
            raise RecipeError(f"{prefix}the recipes extend each other in a circle: {circle}", hint=hint)
        chain.append(_read_link(base, recipes_dir, prefix))
    return chain


def _read_link(name: str, recipes_dir: Path, prefix: str) -> Link:
    if not _NAME.fullmatch(name):
        hint = "a name has a-z, 0-9, '.', '_' and '-', and begins with a letter or digit"
        raise RecipeError(f"{prefix}{name!r} cannot be the name of a recipe", hint=hint)
    folder = recipes_dir.name or recipes_dir.resolve().name
    path = recipes_dir / f"{name}{_SUFFIX}"
    shown = f"{folder}/{path.name}"
    if path.is_file():
        return Link(name, path, shown, read_source(path, shown))
    # A broken link, too, is worth another message than that there is nothing.
    if path.exists() or path.is_symlink():
        raise RecipeError(f"{shown}: cannot be read: this is not a file")
    names = recipe_names(recipes_dir)
    there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"
    close = get_close_matches(name.removesuffix(_SUFFIX), names, n=1)
    raise RecipeError(
        f"{prefix}no recipe '{name}' in {folder}/: {there}",
        hint=f"did you mean {close[0]}?" if close else None,
    )


def merge(chain: list[Link]) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """Return the data of the whole chain, mappings merged, and the place where each value was set.

    `extends` itself is no part of the result. The data of the last link is changed.
    """
    *others, first = chain
    data, places = first.source.data, dict(first.source.places)
    for link in reversed(others):
        replaced = set(_merge_into(data, link.source.data, ()))
        kept = ((path, place) for path, place in places.items() if not _lies_below(path, replaced))
        places = dict(kept) | dict(link.source.places)
    data.pop("extends", None)
    places.pop(("extends",), None)
    return data, places


def _changes_shape(path: KeyPath, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether *new* is another shape of the section at *path*, whose keys the one before does not have."""
    if path in _ALTERNATIVES or path[:1] == ("tools",):
        return not (old.keys() & new.keys())
    key = _SHAPE_KEYS.get(path)
    return key is not None and key in new and new[key] != old.get(key)


def _merge_into(data: dict[str, Any], new: Mapping[str, Any], path: KeyPath) -> Iterator[KeyPath]:
    """Put *new* over *data*, which both stand at *path*; yield the paths whose old values are gone."""
    for key, value in new.items():
        old = data.get(key)
        here = (*path, key)
        if isinstance(value, dict) and isinstance(old, dict) and not _changes_shape(here, old, value):
            yield from _merge_into(old, value, (*path, key))
        else:
            data[key] = value
            yield (*path, key)


def _lies_below(path: KeyPath, roots: set[KeyPath]) -> bool:
    return any(path[:length] in roots for length in range(1, len(path) + 1))
