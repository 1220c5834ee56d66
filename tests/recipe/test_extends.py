"""Recipes are found by name and merged with those that they extend."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.errors import RecipeError
from ssiuml.recipe.distribution import PackagesDistribution
from ssiuml.recipe.load import load_recipe

Write = Callable[[str, str], Path]
ErrorOf = Callable[[str], str]


def test_mappings_merge_and_lists_replace(recipes: Path, write: Write) -> None:
    write("mine", "extends: base\ndescription: mine\nfilesystem: {journals: 5}\npackages: [corosync, gdb]\n")
    mine = load_recipe("mine", recipes)
    assert mine.recipe.filesystem.journals == 5
    assert mine.recipe.filesystem.journal_size_bytes == 8 * 2**20
    assert mine.recipe.packages == ("corosync", "gdb")
    assert mine.recipe.description == "mine"


def test_a_kind_that_is_the_default_can_be_written_out(recipes: Path, write: Write) -> None:
    write("mine", "extends: base\ndistribution: {base: packages, suite: trixie}\n")
    distribution = load_recipe("mine", recipes).recipe.distribution
    assert isinstance(distribution, PackagesDistribution)
    assert (distribution.suite, distribution.mirror) == ("trixie", "http://deb.debian.org/debian")


def test_items_of_a_replaced_list_lose_their_places(recipes: Path, write: Write) -> None:
    write("mine", "extends: base\npackages: [gdb]\n")
    assert load_recipe("mine", recipes).where("packages", 1) == "recipes/mine.yaml:2"


def test_chain_of_three_takes_the_nearest_value_and_names_all_files(recipes: Path, write: Write) -> None:
    write("middle", "extends: base\ndescription: middle\nfilesystem: {journals: 4}\n")
    write("mine", "extends: middle\ndescription: mine\n")
    loaded = load_recipe("mine", recipes)
    assert (loaded.recipe.description, loaded.recipe.filesystem.journals) == ("mine", 4)
    assert loaded.where("filesystem", "journals") == "recipes/middle.yaml:3"
    assert [path.name for path in loaded.paths] == ["mine.yaml", "middle.yaml", "base.yaml"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foo", "no recipe 'foo' in recipes/: there are base, other"),
        ("bsae", "no recipe 'bsae' in recipes/: there are base, other\n  did you mean base?"),
        ("base.yaml", "no recipe 'base.yaml' in recipes/: there are base, other\n  did you mean base?"),
        (
            "../base",
            "'../base' cannot be the name of a recipe\n"
            "  use a-z, 0-9, '.', '_' and '-', and begin with a letter or digit",
        ),
    ],
)
def test_unknown_recipe_is_an_error_that_names_the_recipes(
    recipes: Path, write: Write, name: str, message: str
) -> None:
    write("other", "")
    with pytest.raises(RecipeError) as error:
        load_recipe(name, recipes)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "description: x\nextends: bass\n",
            "recipes/mine.yaml:2: extends: no recipe 'bass' in recipes/: there are base, mine\n"
            "  did you mean base?",
        ),
        (
            "extends: mine\n",
            "recipes/mine.yaml:1: extends: the recipes extend each other in a circle: mine -> mine\n"
            "  remove one extends of these",
        ),
        (
            "extends: [base]\n",
            "recipes/mine.yaml:1: extends: this is not the name of a recipe\n"
            "  write one name, such as extends: trixie",
        ),
    ],
)
def test_bad_extends_is_an_error_at_its_line(error_of: ErrorOf, text: str, message: str) -> None:
    assert error_of(text) == message


def test_circle_is_named_without_the_recipes_that_lead_to_it(write: Write, error_of: ErrorOf) -> None:
    write("a", "extends: b\n")
    write("b", "extends: a\n")
    assert error_of("extends: a\n").startswith(
        "recipes/b.yaml:1: extends: the recipes extend each other in a circle: a -> b -> a\n"
    )
