"""Finding, extending and locating recipes."""

from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from ssiuml.errors import RecipeError, UsageError
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


def test_mappings_merge_and_lists_replace(mine: LoadedRecipe) -> None:
    assert mine.recipe.filesystem.journals == 5
    assert mine.recipe.filesystem.journal_size_bytes == 8 * 2**20
    assert mine.recipe.packages == ("corosync", "gdb")
    assert mine.recipe.description == "mine"


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


def test_items_of_a_replaced_list_have_no_place_any_more(recipes: Path, write: Write) -> None:
    write("mine", "extends: base\npackages: [gdb]\n")
    assert load_recipe("mine", recipes).where("packages", 1) == "recipes/mine.yaml:2"


def test_chain_of_three_takes_the_nearest_value_and_names_all_files(recipes: Path, write: Write) -> None:
    write("middle", "extends: base\ndescription: middle\nfilesystem: {journals: 4}\n")
    write("mine", "extends: middle\ndescription: mine\n")
    loaded = load_recipe("mine", recipes)
    assert (loaded.recipe.description, loaded.recipe.filesystem.journals) == ("mine", 4)
    assert loaded.where("filesystem", "journals") == "recipes/middle.yaml:3"
    assert [path.name for path in loaded.paths] == ["mine.yaml", "middle.yaml", "base.yaml"]


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


def test_address_is_that_of_the_network_plus_the_node(mine: LoadedRecipe) -> None:
    assert mine.recipe.cluster.address_of(3) == IPv4Address("192.168.50.3")


@pytest.mark.parametrize("node", [0, 4, -1])
def test_node_out_of_range_has_no_address(mine: LoadedRecipe, node: int) -> None:
    with pytest.raises(UsageError, match=f"node {node} does not exist: this cluster has nodes 1 to 3"):
        mine.recipe.cluster.address_of(node)


def test_source_path_is_seen_from_the_folder_of_the_recipe(recipes: Path, write: Write) -> None:
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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foo", "no recipe 'foo' in recipes/: there are base, other"),
        ("bsae", "no recipe 'bsae' in recipes/: there are base, other\n  did you mean base?"),
        ("base.yaml", "no recipe 'base.yaml' in recipes/: there are base, other\n  did you mean base?"),
        (
            "../base",
            "'../base' cannot be the name of a recipe\n"
            "  a name has a-z, 0-9, '.', '_' and '-', and begins with a letter or digit",
        ),
    ],
)
def test_unknown_recipe_is_an_error_that_names_those_there_are(
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
            "  write one name, such as extends: bookworm",
        ),
    ],
)
def test_bad_extends_is_an_error_at_its_line(error_of: ErrorOf, text: str, message: str) -> None:
    assert error_of(text) == message


def test_circle_is_named_without_what_leads_to_it(write: Write, error_of: ErrorOf) -> None:
    write("a", "extends: b\n")
    write("b", "extends: a\n")
    assert error_of("extends: a\n").startswith(
        "recipes/b.yaml:1: extends: the recipes extend each other in a circle: a -> b -> a\n"
    )


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
