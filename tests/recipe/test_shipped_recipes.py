"""The recipes that come with the project."""

import re
from collections.abc import Iterator

import pytest
import yaml
from project import PROJECT

from ssiuml.recipe.choice import sections_of
from ssiuml.recipe.kernel import PackageKernel, SourceKernel
from ssiuml.recipe.load import load_recipe
from ssiuml.recipe.model import Recipe
from ssiuml.recipe.section import Section

RECIPES = PROJECT / "recipes"


FULL = ("trixie", "bookworm")
BUILT = ("trixie", "trixie-dev", "trixie-min", "bookworm-ssi")
STOCK = ("trixie-stock", "bookworm", "bookworm-min")


@pytest.mark.parametrize("name", FULL)
def test_full_recipe_has_the_figures_of_the_howto(name: str) -> None:
    recipe = load_recipe(name, RECIPES).recipe
    assert recipe.sizes.root_fs_bytes == 2_097_152 * 1024
    assert (recipe.filesystem.journals, recipe.filesystem.journal_size_bytes) == (15, 32 * 2**20)
    assert recipe.cluster.node_limit == 15
    assert str(recipe.cluster.address_of(15)) == "192.168.50.15"
    assert {"ssh", "cron"} <= set(recipe.prune)


@pytest.mark.parametrize("name", FULL)
def test_full_recipe_does_not_start_twice_what_the_initrd_starts(name: str) -> None:
    assert {"corosync", "dlm"} <= set(load_recipe(name, RECIPES).recipe.prune)


@pytest.mark.parametrize("name", FULL)
def test_recipe_min_is_the_full_one_for_three_nodes(name: str) -> None:
    recipe, whole = (load_recipe(each, RECIPES).recipe for each in (f"{name}-min", name))
    assert recipe.packages == whole.packages
    assert (recipe.filesystem.journals, recipe.filesystem.journal_size_bytes) == (3, 8 * 2**20)
    assert (recipe.cluster.node_limit, recipe.sizes.root_fs_bytes) == (3, 2**30)
    assert recipe.release.root != whole.release.root


@pytest.mark.parametrize("name", BUILT)
def test_built_kernel_has_in_itself_what_mounts_the_root_and_has_a_pinned_source(name: str) -> None:
    recipe = load_recipe(name, RECIPES).recipe
    assert isinstance(recipe.kernel, SourceKernel)
    assert recipe.kernel.version
    assert recipe.initrd.model_dump()["modules"] == ()


@pytest.mark.parametrize("name", STOCK)
def test_ready_kernel_gets_the_modules_that_mount_the_root(name: str) -> None:
    recipe = load_recipe(name, RECIPES).recipe
    assert isinstance(recipe.kernel, PackageKernel)
    assert recipe.initrd.model_dump()["modules"] == ("configfs", "dlm", "gfs2")


def test_recipes_of_one_distribution_share_its_packages() -> None:
    for name in (*BUILT, *STOCK):
        recipe = load_recipe(name, RECIPES).recipe
        assert recipe.packaged.suite == name.partition("-")[0]
        assert recipe.all_packages == load_recipe("trixie", RECIPES).recipe.all_packages


@pytest.mark.parametrize("package", ["python3", "systemd", "systemd-sysv", "ifupdown", "udev"])
def test_trixie_does_not_ask_for(package: str) -> None:
    assert package not in load_recipe("trixie", RECIPES).recipe.all_packages


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("package", ["systemd", "systemd-sysv", "udev", "usrmerge", "perl"])
def test_no_other_package_brings(package: str, name: str) -> None:
    lock = yaml.safe_load((RECIPES / f"{name}.lock").read_text())
    assert package not in lock["base"]["packages"]


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
