"""The key `extends`: find recipe files by name, and merge a recipe with those that it extends."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ssiuml.errors import RecipeError
from ssiuml.recipe.choice import IsOtherKind
from ssiuml.recipe.problems import KeyPath
from ssiuml.recipe.yaml_file import SUFFIX, Place, RecipeFile, read_recipe_file

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def recipe_names(recipes_dir: Path) -> list[str]:
    """Return the names of all recipe files in *recipes_dir*, sorted. The files may be broken."""
    names = (path.name.removesuffix(SUFFIX) for path in recipes_dir.glob(f"*{SUFFIX}"))
    # Editors leave files that begin with a dot.
    return sorted(name for name in names if name and not name.startswith("."))


def read_recipe_files(name: str, recipes_dir: Path) -> list[RecipeFile]:
    """Read the recipe *name* and those that it extends; its own file comes first.

    Raise RecipeError if one of them does not exist or cannot be read, or if they form a circle.
    """
    files = [_read(name, recipes_dir, "")]
    while "extends" in files[-1].data:
        last = files[-1]
        base = last.data["extends"]
        prefix = f"{last.places[('extends',)]}: extends: "
        if not isinstance(base, str):
            hint = "write one name, such as extends: trixie"
            raise RecipeError(f"{prefix}this is not the name of a recipe", hint=hint)
        names = [file.name for file in files]
        if base in names:
            circle = " -> ".join([*names[names.index(base) :], base])
            hint = "remove one extends of these"
            raise RecipeError(f"{prefix}the recipes extend each other in a circle: {circle}", hint=hint)
        files.append(_read(base, recipes_dir, prefix))
    return files


def _read(name: str, recipes_dir: Path, prefix: str) -> RecipeFile:
    if not _NAME.fullmatch(name):
        hint = "use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit"
        raise RecipeError(f"{prefix}{name!r} cannot be the name of a recipe", hint=hint)
    folder = recipes_dir.name or recipes_dir.resolve().name
    path = recipes_dir / f"{name}{SUFFIX}"
    shown = f"{folder}/{path.name}"
    if path.is_file():
        return read_recipe_file(path, shown)
    # For a folder or a broken link, "no recipe" would be the wrong reason.
    if path.exists() or path.is_symlink():
        raise RecipeError(f"{shown}: cannot be read: this is not a file")
    names = recipe_names(recipes_dir)
    there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"
    close = get_close_matches(name.removesuffix(SUFFIX), names, n=1)
    raise RecipeError(
        f"{prefix}no recipe '{name}' in {folder}/: {there}",
        hint=f"did you mean {close[0]}?" if close else None,
    )


def merge(
    files: Sequence[RecipeFile], choices: Mapping[KeyPath, IsOtherKind]
) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """Return the data of all *files*, merged, and the place where each value was set.

    The files come as from read_recipe_files. Mappings merge, lists and single values replace. A section of
    another kind, by *choices*, replaces the section, because its keys would not fit. `extends` itself is not
    in the result. The data of the last file is changed.
    """
    *others, first = files
    data, places = first.data, dict(first.places)
    for file in reversed(others):
        replaced = set(_merge_into(data, file.data, (), choices))
        kept = ((path, place) for path, place in places.items() if not _lies_below(path, replaced))
        places = dict(kept) | dict(file.places)
    data.pop("extends", None)
    places.pop(("extends",), None)
    return data, places


def _merge_into(
    data: dict[str, Any], new: Mapping[str, Any], path: KeyPath, choices: Mapping[KeyPath, IsOtherKind]
) -> Iterator[KeyPath]:
    """Merge *new* into *data*, both at *path*. Yield the paths whose old values are gone."""
    for key, value in new.items():
        old = data.get(key)
        here = (*path, key)
        if (
            isinstance(value, dict)
            and isinstance(old, dict)
            and not _is_other_kind(here, old, value, choices)
        ):
            yield from _merge_into(old, value, here, choices)
        else:
            data[key] = value
            yield here


def _is_other_kind(
    path: KeyPath, old: Mapping[str, Any], new: Mapping[str, Any], choices: Mapping[KeyPath, IsOtherKind]
) -> bool:
    return path in choices and choices[path](old, new)


def _lies_below(path: KeyPath, roots: set[KeyPath]) -> bool:
    return any(path[:length] in roots for length in range(1, len(path) + 1))
