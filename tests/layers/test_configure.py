"""The configuration layer: root's password, the recipe's own files."""

from pathlib import Path

import pytest
from project import PROJECT

from ssiuml.errors import RecipeError
from ssiuml.layers.configure import SHADOW, ConfigureError, config_layer, user_content
from ssiuml.recipe.load import LoadedRecipe, load_recipe
from ssiuml.tree.layer import Layer, merge
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, directory, file

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
        f'description: mine\nextends: bookworm\nroot_password_hash: "{HASH}"\n{text}'
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


def test_every_other_line_of_shadow_stays(tmp_path: Path) -> None:
    lines, before = shadow_of(configured(load(tmp_path), base())), BEFORE.splitlines()
    assert lines[:1] + lines[2:] == before[:1] + before[2:]


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o000])
def test_mode_and_owner_of_shadow_stay(tmp_path: Path, mode: int) -> None:
    meta = configured(load(tmp_path), base(mode=mode)).lookup(SHADOW).meta
    assert (meta.mode, meta.uid, meta.gid) == (mode, 0, 42)


def test_the_base_itself_is_not_changed(tmp_path: Path) -> None:
    tree = base()
    config_layer(load(tmp_path), {}, tree, MTIME_NS)
    assert tree.lookup(SHADOW).read().decode() == BEFORE


@pytest.mark.parametrize("shadow", ["", "daemon:*:1::::::\n", "rooty:*:1::::::\n"])
def test_a_shadow_file_without_root_is_an_error(tmp_path: Path, shadow: str) -> None:
    with pytest.raises(ConfigureError, match=r"/etc/shadow.*root"):
        config_layer(load(tmp_path), {}, base(shadow), MTIME_NS)


def test_a_tree_without_shadow_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="etc/shadow"):
        config_layer(load(tmp_path), {}, Tree(), MTIME_NS)


def test_rendered_files_lie_at_their_paths_readable_by_all(tmp_path: Path) -> None:
    tree = configured(load(tmp_path), base(), {"etc/ssi/ssi.conf": "A=1\n"})
    node = tree.lookup("etc/ssi/ssi.conf")
    assert node.read() == b"A=1\n"
    assert (node.meta.mode, node.meta.uid, node.meta.gid, node.meta.mtime_ns) == (0o644, 0, 0, MTIME_NS)


def test_nothing_of_the_hosts_name_and_network_gets_in(tmp_path: Path) -> None:
    tree = configured(load(tmp_path), base())
    assert tree.lookup("etc/hostname").read() == b"localhost\n"
    assert b"nameserver" not in tree.lookup("etc/resolv.conf").read()
    mounts = [line for line in tree.lookup("etc/fstab").read().splitlines() if not line.startswith(b"#")]
    assert mounts == []


def test_users_files_come_from_content_and_source_with_mode_and_owner(tmp_path: Path) -> None:
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


def test_an_empty_file_of_the_user_is_possible(tmp_path: Path) -> None:
    tree = configured(load(tmp_path, 'files: [{path: /etc/empty, content: ""}]\n'), base())
    assert tree.lookup("etc/empty").read() == b""


@pytest.mark.parametrize("path", ["/etc/hosts", "/etc/hostname", "/etc/shadow"])
def test_users_files_go_over_ours(tmp_path: Path, path: str) -> None:
    loaded = load(tmp_path, f"files: [{{path: {path}, content: own}}]\n")
    assert configured(loaded, base(), {"etc/hosts": "ours"}).lookup(path).read() == b"own"


def test_a_source_that_is_gone_is_named_with_recipe_and_line(tmp_path: Path) -> None:
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
