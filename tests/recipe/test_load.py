"""Loaded recipes: what follows from their values, and the lines that set these."""

from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from ssiuml.errors import UsageError
from ssiuml.recipe.load import LoadedRecipe, list_recipes, load_recipe

Write = Callable[[str, str], Path]
ErrorOf = Callable[[str], str]

MINE = """\
extends: base
description: mine

filesystem:
  journals: 5
packages:
  - corosync
  - gdb
"""


@pytest.fixture
def mine(recipes: Path, write: Write) -> LoadedRecipe:
    write("mine", MINE)
    return load_recipe("mine", recipes)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "recipes/mine.yaml:1"),
        (("description",), "recipes/mine.yaml:2"),
        (("filesystem",), "recipes/mine.yaml:4"),
        (("filesystem", "journals"), "recipes/mine.yaml:5"),
        (("filesystem", "block_size"), "recipes/base.yaml:11"),
        (("packages", 1), "recipes/mine.yaml:8"),
        (("cluster", "timings", "join_ms"), "recipes/base.yaml:19"),
        (("distribution", "snapshot"), "recipes/base.yaml:2"),
        (("prune",), "recipes/mine.yaml:1"),
    ],
)
def test_where_is_the_line_of_the_file_that_set_the_value(
    mine: LoadedRecipe, path: tuple[str | int, ...], place: str
) -> None:
    assert mine.where(*path) == place


def test_error_has_place_key_and_hint(mine: LoadedRecipe) -> None:
    error = mine.error(("packages", 1), "'gdb' is not in bookworm", "look with apt-cache")
    assert str(error) == ("recipes/mine.yaml:8: packages[1]: 'gdb' is not in bookworm\n  look with apt-cache")


def test_anchors_and_aliases_are_written_out(recipes: Path, write: Write) -> None:
    write("mine", "extends: base\npackages: &list [gdb]\nextra_packages: *list\n")
    assert load_recipe("mine", recipes).recipe.extra_packages == ("gdb",)


def test_all_packages_are_in_order_and_each_once(recipes: Path, write: Write) -> None:
    write("mine", "extends: base\nextra_packages: [gdb, corosync, acl]\n")
    assert load_recipe("mine", recipes).recipe.all_packages == ("corosync", "gfs2-utils", "gdb", "acl")


def test_cluster_name_is_the_first_part_of_the_lock_table(mine: LoadedRecipe) -> None:
    assert mine.recipe.cluster_name == "ssi"


def test_node_has_the_address_of_the_network_plus_its_number(mine: LoadedRecipe) -> None:
    assert mine.recipe.cluster.address_of(3) == IPv4Address("192.168.50.3")


@pytest.mark.parametrize("node", [0, 4, -1])
def test_node_out_of_range_has_no_address(mine: LoadedRecipe, node: int) -> None:
    with pytest.raises(UsageError, match=f"node {node} does not exist: this cluster has nodes 1 to 3"):
        mine.recipe.cluster.address_of(node)


def test_source_path_begins_at_the_folder_of_the_recipe(recipes: Path, write: Write) -> None:
    (recipes / "motd").write_text("hello\n")
    write("mine", "extends: base\nfiles: [{path: /etc/motd, source: motd}, {path: /etc/x, content: x}]\n")
    loaded = load_recipe("mine", recipes)
    motd, other = loaded.recipe.files
    assert loaded.source_path(motd) == recipes / "motd"
    assert loaded.source_path(other) is None
    assert (motd.mode_bits, motd.uid, motd.gid) == (0o644, 0, 0)


def test_recipe_does_not_change(mine: LoadedRecipe) -> None:
    field = "description"
    with pytest.raises(ValueError, match="frozen"):
        setattr(mine.recipe, field, "other")


def test_list_has_names_and_descriptions_and_the_errors_of_broken_recipes(
    recipes: Path, write: Write
) -> None:
    write("mine", "extends: base\n")
    write("broken", "a: [\n")
    write(".#mine", "an editor's lock")
    assert list_recipes(recipes) == [
        ("base", "a complete recipe"),
        (
            "broken",
            "recipes/broken.yaml:2:1: this is not YAML: while parsing a flow node, "
            "expected the node content, but found '<stream end>'",
        ),
        ("mine", "a complete recipe"),
    ]


def test_folder_without_recipes_lists_none(tmp_path: Path) -> None:
    assert list_recipes(tmp_path) == []
    assert list_recipes(tmp_path / "missing") == []
