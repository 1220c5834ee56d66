"""Load recipes: read them with what they extend, check them and report all errors at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ssiuml.errors import RecipeError
from ssiuml.recipe.checks import check_all
from ssiuml.recipe.choice import choices_in
from ssiuml.recipe.extends import merge, read_recipe_files, recipe_names
from ssiuml.recipe.inputs import UserFile
from ssiuml.recipe.messages import problems_in
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
        """Return "recipes/NAME.yaml:LINE", the line that sets the value at *path* (of YAML keys).

        For a value that no file sets, because it is a default, it is the line of the section around it.
        """
        return str(self._places.of(path))

    def error(self, path: KeyPath, message: str, hint: str | None = None) -> RecipeError:
        """Return, for the caller to raise, an error about the value at *path*."""
        return RecipeError(f"{self.where(*path)}: {labelled(path, message)}", hint=hint)

    def source_path(self, file: UserFile) -> Path | None:
        """Return where the file to copy lies. Return None if *file* has its content in the recipe."""
        return None if file.source is None else self.host_path(file.source)

    def host_path(self, path: str) -> Path:
        """Return where *path*, which the recipe names, lies. A relative one begins at the recipe's folder."""
        return Path(os.path.normpath(self.paths[0].parent / path))


def load_recipe(name: str, recipes_dir: Path) -> LoadedRecipe:
    """Load the recipe *name* from *recipes_dir*, with what it extends merged in.

    Raise RecipeError with all that is wrong, sorted by file (the recipe's own first) and line.
    """
    files = read_recipe_files(name, recipes_dir)
    faults = [fault for file in files for fault in file.problems]
    data, by_path = merge(files, dict(choices_in(Recipe)))
    places = _Places(tuple(file.shown for file in files), MappingProxyType(by_path))
    recipe, problems = _validate(data, by_path, recipes_dir)
    # A value that could not be read is missing now; one message about it is enough.
    reported = {problem.path for _, problem in faults}
    faults += [(places.of(problem.path), problem) for problem in problems if problem.path not in reported]
    if recipe is None or faults:
        raise _as_error(sorted(faults, key=lambda fault: places.order(fault[0])))
    return LoadedRecipe(name, recipe, tuple(file.path for file in files), places)


def list_recipes(recipes_dir: Path) -> list[tuple[str, str]]:
    """Return name and description of every recipe in *recipes_dir*, sorted by name.

    The description of a broken recipe is the first line of its error.
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
        """Return the place of the value at *path*, or else of the nearest section around it."""
        for length in range(len(path), 0, -1):
            if place := self.by_path.get(path[:length]):
                return place
        return Place(self.files[0], 1)

    def order(self, place: Place) -> tuple[int, int]:
        """Return a sort key: the recipe's own file first, then line by line."""
        return self.files.index(place.file), place.line


def _validate(
    data: dict[str, Any], places: Mapping[KeyPath, Place], recipes_dir: Path
) -> tuple[Recipe | None, list[Problem]]:
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        # pydantic checks rules between parts only when every part is right in itself.
        problems = [*problems_in(error, places), *check_all(dict(_sound_parts(data)))]
        return None, list(dict.fromkeys(problems))
    return recipe, list(_missing_files(recipe.files, recipes_dir))


def _sound_parts(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the top-level keys that are right in themselves, with their values."""
    shapes = get_type_hints(Recipe, include_extras=True)
    for key, field in Recipe.model_fields.items():
        if key in data:
            try:
                yield key, TypeAdapter(shapes[key]).validate_python(data[key])
            except ValidationError:
                continue
        elif not field.is_required():
            yield key, field.get_default()


def _missing_files(files: Iterable[UserFile], recipes_dir: Path) -> Iterator[Problem]:
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
