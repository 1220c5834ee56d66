"""The prune layer: which entries of /etc/rc3.d it removes."""

from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.errors import RecipeError
from ssiuml.layers.prune import prune_layer
from ssiuml.recipe.load import LoadedRecipe, load_recipe
from ssiuml.tree.layer import Layer, merge
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, directory, file, symlink


def load(folder: Path, *names: str) -> LoadedRecipe:
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    lines = "".join(f"  - {name}\n" for name in names) or "  []\n"
    (folder / "mine.yaml").write_text(f"description: mine\nextends: bookworm\nprune:\n{lines}")
    return load_recipe("mine", folder)


def tree_with(*entries: str, folder: str = "etc/rc3.d") -> Tree:
    tree = Tree()
    tree.add(folder, directory(Meta(mode=0o755)))
    for entry in entries:
        service = entry[3:]
        if service:
            tree.add(f"etc/init.d/{service}", file(Literal(b"#!/bin/sh\n"), Meta(mode=0o755)))
        tree.add(f"{folder}/{entry}", symlink(f"../init.d/{service}"))
    return tree


def left(tree: Tree, layer: Layer, folder: str = "etc/rc3.d") -> list[str]:
    return list(merge([Layer(entries=list(tree.walk())), layer]).children(folder))


def test_the_start_entries_of_the_named_services_go(tmp_path: Path) -> None:
    tree = tree_with("S01ssh", "S55cron", "S20rsyslog", "K01dlm")
    assert left(tree, prune_layer(load(tmp_path, "ssh", "cron"), tree)) == ["K01dlm", "S20rsyslog"]


def test_a_name_does_not_match_longer_or_shorter_names(tmp_path: Path) -> None:
    others = [
        "S01sshd",
        "S01ssh-agent",
        "S01xssh",
        "S01openssh",
        "S1ssh",
        "S011ssh",
        "s01ssh",
        "K01ssh",
        "ssh",
    ]
    tree = tree_with("S01ssh", *others)
    assert left(tree, prune_layer(load(tmp_path, "ssh"), tree)) == sorted(others)


@pytest.mark.parametrize("pattern", ["s.h", "ss-"])
def test_a_name_is_no_pattern(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(RecipeError, match="is not there"):
        prune_layer(load(tmp_path, pattern), tree_with("S01ssh"))


def test_a_service_with_two_entries_loses_both(tmp_path: Path) -> None:
    tree = tree_with("S01ssh", "S90ssh")
    assert left(tree, prune_layer(load(tmp_path, "ssh"), tree)) == []


def test_the_services_own_script_stays(tmp_path: Path) -> None:
    tree = tree_with("S01ssh")
    assert left(tree, prune_layer(load(tmp_path, "ssh"), tree), "etc/init.d") == ["ssh"]


def test_all_names_that_match_nothing_are_told_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        prune_layer(load(tmp_path, "sshd", "ssh", "crond"), tree_with("S01ssh", "S02cron", "K01gone"))
    message = str(caught.value)
    assert "mine.yaml:4: prune[0]: /etc/rc3.d/S??sshd" in message
    assert "mine.yaml:6: prune[2]: /etc/rc3.d/S??crond" in message
    assert "prune[1]" not in message
    assert message.count("cron, ssh") == 2
    assert "gone" not in message


def test_an_empty_runlevel_says_that_nothing_is_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is: nothing"):
        prune_layer(load(tmp_path, "ssh"), tree_with())


def test_a_tree_without_the_runlevel_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match=r"etc/rc3\.d"):
        prune_layer(load(tmp_path, "ssh"), Tree())


def test_no_names_no_removals(tmp_path: Path) -> None:
    assert prune_layer(load(tmp_path), tree_with("S01ssh")).removed == []


def test_a_runlevel_that_is_a_link_is_pruned_where_it_leads(tmp_path: Path) -> None:
    # Red Hat 7.2: /etc/rc3.d -> rc.d/rc3.d
    tree = tree_with("S55sshd", "S90crond", folder="etc/rc.d/rc3.d")
    tree.add("etc/rc3.d", symlink("rc.d/rc3.d"))
    layer = prune_layer(load(tmp_path, "sshd"), tree)
    assert layer.removed == ["etc/rc.d/rc3.d/S55sshd"]
    assert left(tree, layer, "etc/rc3.d") == ["S90crond"]
    assert left(tree, layer, "etc") == ["init.d", "rc.d", "rc3.d"]


def test_a_runlevel_that_only_lies_in_rc_d_is_pruned_there(tmp_path: Path) -> None:
    tree = tree_with("S55sshd", "S90crond", folder="etc/rc.d/rc3.d")
    assert left(tree, prune_layer(load(tmp_path, "sshd"), tree), "etc/rc.d/rc3.d") == ["S90crond"]
