"""The recipes that come with the project."""

import re
from collections.abc import Iterator

import pytest
from project import PROJECT

from ssiuml.recipe.choice import sections_of
from ssiuml.recipe.load import load_recipe
from ssiuml.recipe.model import Recipe
from ssiuml.recipe.section import Section

RECIPES = PROJECT / "recipes"


def test_bookworm_has_the_figures_of_the_howto() -> None:
    recipe = load_recipe("bookworm", RECIPES).recipe
    assert recipe.sizes.root_fs_bytes == 2_097_152 * 1024
    assert (recipe.filesystem.journals, recipe.filesystem.journal_size_bytes) == (15, 32 * 2**20)
    assert recipe.cluster.node_limit == 15
    assert str(recipe.cluster.address_of(15)) == "192.168.50.15"
    assert {"ssh", "cron"} <= set(recipe.prune)


def test_bookworm_does_not_start_twice_what_the_initrd_starts() -> None:
    assert {"corosync", "dlm"} <= set(load_recipe("bookworm", RECIPES).recipe.prune)


def test_bookworm_min_is_bookworm_for_three_nodes() -> None:
    recipe, whole = (load_recipe(name, RECIPES).recipe for name in ("bookworm-min", "bookworm"))
    assert recipe.packages == whole.packages
    assert (recipe.filesystem.journals, recipe.filesystem.journal_size_bytes) == (3, 8 * 2**20)
    assert (recipe.cluster.node_limit, recipe.sizes.root_fs_bytes) == (3, 2**30)
    assert recipe.kernel.model_dump()["modules"] == ("configfs", "dlm", "gfs2")
    assert recipe.release.root != whole.release.root


@pytest.mark.parametrize("package", ["python3", "systemd", "systemd-sysv", "ifupdown", "udev"])
def test_bookworm_does_not_have(package: str) -> None:
    assert package not in load_recipe("bookworm", RECIPES).recipe.all_packages


def keys_of(section: type[Section], path: str = "") -> Iterator[str]:
    for key, field in section.fields_by_key().items():
        yield f"{path}{key}"
        for each in sections_of(field):
            yield from keys_of(each, f"{path}{key}.")


def test_every_key_stands_in_a_shipped_recipe() -> None:
    """There a user reads what the key is for."""
    text = "".join(path.read_text() for path in RECIPES.glob("*.yaml"))
    written = set(re.findall(r"([a-z0-9_]+):(?=\s)", text))
    assert [path for path in keys_of(Recipe) if path.rpartition(".")[2] not in written] == []
