"""The configuration layer (root's password, the recipe's own files) and the prune layer (/etc/rc3.d)."""

from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.errors import RecipeError, SsiumlError
from ssiuml.layers.configure import SHADOW, config_layer, prune_layer, user_content
from ssiuml.recipe.load import LoadedRecipe, load_recipe
from ssiuml.tree.layer import Layer, merge
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, directory, file, symlink

HASH = "$6$salt$" + "a" * 86
MTIME_NS = 1_700_000_000_000_000_000
BEFORE = """\
daemon:*:19000:0:99999:7:::
root:*:19000:1:90000:8:14:20000:
rooty:!:19000:0:99999:7:::
sshd:!:19000::::::
"""


def load(folder: Path, text: str = "") -> LoadedRecipe:
    folder.mkdir(exist_ok=True)
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "mine.yaml").write_text(
        f'description: mine\nextends: trixie\nroot_password_hash: "{HASH}"\n{text}'
    )
    return load_recipe("mine", folder)


def base(shadow: str = BEFORE, mode: int = 0o640) -> Tree:
    tree = Tree()
    tree.add("etc", directory(Meta(mode=0o755)))
    tree.add(SHADOW, file(Literal(shadow.encode()), Meta(mode=mode, uid=0, gid=42)))
    return tree


def configured(loaded: LoadedRecipe, tree: Tree, rendered: dict[str, str] | None = None) -> Tree:
    layer = config_layer(loaded, rendered or {}, tree, MTIME_NS)
    return merge([Layer(entries=list(tree.walk())), layer])


def shadow_of(tree: Tree) -> list[str]:
    return tree.lookup(SHADOW).read().decode().splitlines()


def test_root_gets_the_hash_and_day_0_and_keeps_the_other_fields(tmp_path: Path) -> None:
    lines = shadow_of(configured(load(tmp_path), base()))
    # shadow(5): name, hash, day of the last change (0: change it at the next login), and the rest.
    assert lines[1] == f"root:{HASH}:0:1:90000:8:14:20000:"


def test_all_other_lines_of_shadow_stay(tmp_path: Path) -> None:
    lines, before = shadow_of(configured(load(tmp_path), base())), BEFORE.splitlines()
    assert lines[:1] + lines[2:] == before[:1] + before[2:]


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o000])
def test_mode_and_owner_of_shadow_stay(tmp_path: Path, mode: int) -> None:
    meta = configured(load(tmp_path), base(mode=mode)).lookup(SHADOW).meta
    assert (meta.mode, meta.uid, meta.gid) == (mode, 0, 42)


def test_the_tree_below_is_not_changed(tmp_path: Path) -> None:
    tree = base()
    config_layer(load(tmp_path), {}, tree, MTIME_NS)
    assert tree.lookup(SHADOW).read().decode() == BEFORE


@pytest.mark.parametrize("shadow", ["", "daemon:*:1::::::\n", "rooty:*:1::::::\n"])
def test_a_shadow_file_without_root_is_an_error(tmp_path: Path, shadow: str) -> None:
    with pytest.raises(SsiumlError, match=r"/etc/shadow.*root"):
        config_layer(load(tmp_path), {}, base(shadow), MTIME_NS)


def test_a_tree_without_shadow_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="etc/shadow"):
        config_layer(load(tmp_path), {}, Tree(), MTIME_NS)


def test_rendered_files_lie_at_their_paths_and_everybody_may_read_them(tmp_path: Path) -> None:
    tree = configured(load(tmp_path), base(), {"etc/ssi/ssi.conf": "A=1\n"})
    node = tree.lookup("etc/ssi/ssi.conf")
    assert node.read() == b"A=1\n"
    assert (node.meta.mode, node.meta.uid, node.meta.gid, node.meta.mtime_ns) == (0o644, 0, 0, MTIME_NS)


def test_no_name_or_network_of_the_host_gets_into_the_layer(tmp_path: Path) -> None:
    tree = configured(load(tmp_path), base())
    assert tree.lookup("etc/hostname").read() == b"localhost\n"
    mounts = [line for line in tree.lookup("etc/fstab").read().splitlines() if not line.startswith(b"#")]
    assert mounts == []


def test_the_recipes_files_have_their_content_or_source_with_mode_and_owner(tmp_path: Path) -> None:
    source = bytes(range(256))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "load").write_bytes(source)
    loaded = load(
        tmp_path,
        """
files:
  - {path: /etc/motd, content: "Grüße\\n"}
  - {path: /usr/local/bin/load, source: files/load, mode: "4755", uid: 7, gid: 8}
""",
    )
    tree = configured(loaded, base())
    motd, program = tree.lookup("etc/motd"), tree.lookup("usr/local/bin/load")
    assert motd.read().decode() == "Grüße\n"
    assert (motd.meta.mode, motd.meta.uid, motd.meta.gid) == (0o644, 0, 0)
    assert program.read() == source
    assert (program.meta.mode, program.meta.uid, program.meta.gid) == (0o4755, 7, 8)
    assert program.meta.mtime_ns == MTIME_NS


def test_an_empty_file_of_the_recipe_is_possible(tmp_path: Path) -> None:
    tree = configured(load(tmp_path, 'files: [{path: /etc/empty, content: ""}]\n'), base())
    assert tree.lookup("etc/empty").read() == b""


@pytest.mark.parametrize("path", ["/etc/hosts", "/etc/hostname", "/etc/shadow"])
def test_the_recipes_files_replace_ours(tmp_path: Path, path: str) -> None:
    loaded = load(tmp_path, f"files: [{{path: {path}, content: own}}]\n")
    assert configured(loaded, base(), {"etc/hosts": "ours"}).lookup(path).read() == b"own"


def test_the_error_for_a_missing_source_names_recipe_and_line(tmp_path: Path) -> None:
    (tmp_path / "load").write_text("x")
    loaded = load(tmp_path / ".", "files:\n  - path: /etc/motd\n    source: load\n")
    (tmp_path / "load").unlink()
    with pytest.raises(RecipeError) as caught:
        user_content(loaded, 0)
    message = str(caught.value)
    assert "mine.yaml:6: files[0].source" in message
    assert str(tmp_path / "load") in message
    with pytest.raises(RecipeError, match=r"mine\.yaml:6"):
        config_layer(loaded, {}, base(), MTIME_NS)


# The prune layer.


def load_prune(folder: Path, *names: str) -> LoadedRecipe:
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    lines = "".join(f"  - {name}\n" for name in names) or "  []\n"
    (folder / "mine.yaml").write_text(f"description: mine\nextends: trixie\nprune:\n{lines}")
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


def test_the_start_entries_of_pruned_services_are_removed(tmp_path: Path) -> None:
    tree = tree_with("S01ssh", "S55cron", "S20rsyslog", "K01dlm")
    assert left(tree, prune_layer(load_prune(tmp_path, "ssh", "cron"), tree)) == ["K01dlm", "S20rsyslog"]


def test_a_pruned_name_does_not_match_longer_or_shorter_names(tmp_path: Path) -> None:
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
    assert left(tree, prune_layer(load_prune(tmp_path, "ssh"), tree)) == sorted(others)


@pytest.mark.parametrize("pattern", ["s.h", "ss-"])
def test_a_pruned_name_is_no_pattern(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(RecipeError, match="is not there"):
        prune_layer(load_prune(tmp_path, pattern), tree_with("S01ssh"))


def test_both_entries_of_a_service_are_removed(tmp_path: Path) -> None:
    tree = tree_with("S01ssh", "S90ssh")
    assert left(tree, prune_layer(load_prune(tmp_path, "ssh"), tree)) == []


def test_the_script_of_a_pruned_service_stays(tmp_path: Path) -> None:
    tree = tree_with("S01ssh")
    assert left(tree, prune_layer(load_prune(tmp_path, "ssh"), tree), "etc/init.d") == ["ssh"]


def test_the_error_names_all_services_that_match_nothing_and_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        prune_layer(load_prune(tmp_path, "sshd", "ssh", "crond"), tree_with("S01ssh", "S02cron", "K01gone"))
    message = str(caught.value)
    assert "mine.yaml:4: prune[0]: /etc/rc3.d/S??sshd" in message
    assert "mine.yaml:6: prune[2]: /etc/rc3.d/S??crond" in message
    assert "prune[1]" not in message
    assert message.count("cron, ssh") == 2
    assert "gone" not in message


def test_the_error_for_an_empty_runlevel_says_that_it_has_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is: nothing"):
        prune_layer(load_prune(tmp_path, "ssh"), tree_with())


def test_a_tree_without_the_runlevel_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match=r"etc/rc3\.d"):
        prune_layer(load_prune(tmp_path, "ssh"), Tree())


def test_an_empty_prune_list_removes_nothing(tmp_path: Path) -> None:
    assert prune_layer(load_prune(tmp_path), tree_with("S01ssh")).removed == []


def test_a_runlevel_that_is_a_link_is_pruned_in_its_target(tmp_path: Path) -> None:
    # Red Hat 7.2: /etc/rc3.d -> rc.d/rc3.d
    tree = tree_with("S55sshd", "S90crond", folder="etc/rc.d/rc3.d")
    tree.add("etc/rc3.d", symlink("rc.d/rc3.d"))
    layer = prune_layer(load_prune(tmp_path, "sshd"), tree)
    assert layer.removed == ["etc/rc.d/rc3.d/S55sshd"]
    assert left(tree, layer, "etc/rc3.d") == ["S90crond"]
    assert left(tree, layer, "etc") == ["init.d", "rc.d", "rc3.d"]


def test_a_runlevel_that_lies_only_in_rc_d_is_pruned_there(tmp_path: Path) -> None:
    tree = tree_with("S55sshd", "S90crond", folder="etc/rc.d/rc3.d")
    assert left(tree, prune_layer(load_prune(tmp_path, "sshd"), tree), "etc/rc.d/rc3.d") == ["S90crond"]
