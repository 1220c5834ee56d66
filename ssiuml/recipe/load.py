"""Loads recipes: reads them with what they extend, checks them and tells all errors at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ssiuml.errors import RecipeError
from ssiuml.recipe.chain import merge, read_chain, recipe_names
from ssiuml.recipe.checks import Parts, check_all
from ssiuml.recipe.inputs import UserFile
from ssiuml.recipe.messages import explain
from ssiuml.recipe.model import Recipe
from ssiuml.recipe.problems import KeyPath, Problem, labelled
from ssiuml.recipe.yaml_file import Place


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A checked recipe and where each of its values comes from."""

    name: str
    recipe: Recipe
    paths: tuple[Path, ...]
    """The recipe's own file, then those that it extends."""
    _places: "_Places"

    def where(self, *path: str | int) -> str:
        """Return "recipes/NAME.yaml:LINE", the line that set the value which *path* (of YAML keys) leads to.

        For a value that no file sets, being a default, it is the line of what is around it.
        """
        return str(self._places.of(path))

    def error(self, path: KeyPath, message: str, hint: str | None = None) -> RecipeError:
        """Return, for the caller to raise, an error about the value that *path* leads to."""
        return RecipeError(f"{self.where(*path)}: {labelled(path, message)}", hint=hint)

    def source_path(self, file: UserFile) -> Path | None:
        """Return where the file to copy lies; None if *file* has its content in the recipe."""
        return None if file.source is None else self.host_path(file.source)

    def host_path(self, path: str) -> Path:
        """Return where *path*, which the recipe names, lies; a relative one is seen from the recipe."""
        return Path(os.path.normpath(self.paths[0].parent / path))


def load_recipe(name: str, recipes_dir: Path) -> LoadedRecipe:
    """Load the recipe *name* from *recipes_dir*, with what it extends merged in.

    Raises RecipeError, with all that is wrong, sorted by file (the recipe's own first) and line.
    """
    chain = read_chain(name, recipes_dir)
    faults = [fault for link in chain for fault in link.source.problems]
    data, by_path = merge(chain)
    places = _Places(tuple(link.shown for link in chain), MappingProxyType(by_path))
    recipe, problems = _validate(data, by_path, recipes_dir)
    # What could not be read has been told already; that its value is missing now is no news.
    told = {problem.path for _, problem in faults}
    faults += [(places.of(problem.path), problem) for problem in problems if problem.path not in told]
    if recipe is None or faults:
        raise _as_error(sorted(faults, key=lambda fault: places.order(fault[0])))
    return LoadedRecipe(name, recipe, tuple(link.path for link in chain), places)


def list_recipes(recipes_dir: Path) -> list[tuple[str, str]]:
    """Return name and description of every recipe in *recipes_dir*, sorted by name.

    A broken recipe has the first line of its error for a description.
    """
    return [(name, _describe(name, recipes_dir)) for name in recipe_names(recipes_dir)]


def _describe(name: str, recipes_dir: Path) -> str:
    try:
        return load_recipe(name, recipes_dir).recipe.description
    except RecipeError as error:
        return str(error).splitlines()[0]


@dataclass(frozen=True, slots=True)
class _Places:
    """The files of a recipe, its own first, and where in them each value was set."""

    files: tuple[str, ...]
    by_path: Mapping[KeyPath, Place]

    def of(self, path: KeyPath) -> Place:
        """Return the place of the value at *path*, else of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if place := self.by_path.get(path[:length]):
                return place
        return Place(self.files[0], 1)

    def order(self, place: Place) -> tuple[int, int]:
        """Return what to sort by for the order in which people look."""
        return self.files.index(place.file), place.line


def _validate(
    data: dict[str, Any], places: Mapping[KeyPath, Place], recipes_dir: Path
) -> tuple[Recipe | None, list[Problem]]:
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        # Rules between parts are checked by pydantic only when every part is right in itself.
        problems = [*explain(error, places), *_check_sound_parts(data)]
        return None, list(dict.fromkeys(problems))
    return recipe, list(_missing_sources(recipe.files, recipes_dir))


def _check_sound_parts(data: dict[str, Any]) -> Iterator[Problem]:
    """Check those parts against each other that are right in themselves."""
    shapes = get_type_hints(Recipe, include_extras=True)
    parts = {part.name: _sound(part.name, shapes[part.name], data) for part in fields(Parts)}
    return check_all(Parts(**parts))


def _sound(name: str, shape: Any, data: Mapping[str, Any]) -> Any:
    field = Recipe.model_fields[name]
    if name not in data:
        return None if field.is_required() else field.get_default(call_default_factory=True)
    try:
        return TypeAdapter(shape).validate_python(data[name])
    except ValidationError:
        return None


def _missing_sources(files: Iterable[UserFile], recipes_dir: Path) -> Iterator[Problem]:
    for index, file in enumerate(files):
        if file.source is not None and not (recipes_dir / file.source).is_file():
            hint = "write the path from the folder of the recipe"
            yield Problem(("files", index, "source"), f"there is no file {file.source!r}", hint)


def _as_error(faults: list[tuple[Place, Problem]]) -> RecipeError:
    messages = [f"{place}: {labelled(problem.path, problem.message)}" for place, problem in faults]
    if len(faults) == 1:
        return RecipeError(messages[0], hint=faults[0][1].hint)
    errors = (RecipeError(text, hint=fault[1].hint) for text, fault in zip(messages, faults, strict=True))
    return RecipeError("\n".join(str(error) for error in errors))
