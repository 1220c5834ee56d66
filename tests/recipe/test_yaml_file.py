"""Recipe files that cannot be read, and YAML that is not allowed in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.errors import RecipeError
from ssiuml.recipe.load import load_recipe

ErrorOf = Callable[[str], str]

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n" for last, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "recipes/mine.yaml:1: the file is empty\n  write a recipe, or begin with extends: trixie",
        ),
        (
            "# nothing\n",
            "recipes/mine.yaml:1: the file is empty\n  write a recipe, or begin with extends: trixie",
        ),
        (
            "# list\n- a\n",
            "recipes/mine.yaml:2: this is a list\n  write lines `key: value`",
        ),
        ("word\n", "recipes/mine.yaml:1: this is text\n  write lines `key: value`"),
        (
            "description: a: b\n",
            "recipes/mine.yaml:1:15: this is not YAML: mapping values are not allowed here",
        ),
        (
            "a: 1\n\tb: 2\n",
            "recipes/mine.yaml:2:1: this is not YAML: while scanning for the next token, "
            "found character '\\t' that cannot start any token",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "recipes/mine.yaml:2:1: this is not YAML: expected a single document in the stream, "
            "but found another document",
        ),
        (
            "a: *nowhere\n",
            "recipes/mine.yaml:1:4: this is not YAML: found undefined alias 'nowhere'",
        ),
        ("a: 1\nb: \x07\n", "recipes/mine.yaml:2:4: character U+0007 is not allowed in YAML"),
        ("a: &a [*a]\n", "recipes/mine.yaml:1: is nested more than 16 levels deep"),
        ("a: " + "[" * 5000 + "]" * 5000, "recipes/mine.yaml: is nested more than 16 levels deep"),
        (BOMB, "recipes/mine.yaml: has more than 50000 values, with aliases written out"),
        (
            "#" * (256 * 1024 + 1),
            "recipes/mine.yaml: is larger than 256 KiB, the limit for a recipe\n"
            "  put large contents into files of their own and name them with source:",
        ),
    ],
    ids=lambda value: value[:20],
)
def test_file_that_cannot_be_read_as_a_recipe_is_an_error_with_its_place(
    error_of: ErrorOf, text: str, message: str
) -> None:
    assert error_of(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "description: a\nextends: base\ndescription: b\n",
            "recipes/mine.yaml:3: description: is set twice, at line 1 already\n  remove one of them",
        ),
        (
            "extends: base\ncluster:\n  node_limit: 3\n  node_limit: 3\n",
            "recipes/mine.yaml:4: cluster.node_limit: is set twice, at line 3 already\n  remove one of them",
        ),
        (
            "extends: base\nyes: 1\n",
            "recipes/mine.yaml:2: the key 'yes' is true or false to YAML, expected a word",
        ),
        (
            "extends: base\n[a]: 1\n",
            "recipes/mine.yaml:2: a list cannot be a key\n  write a word",
        ),
        (
            "extends: base\nsizes: &s {root_fs: 1 GiB}\ncluster:\n  <<: *s\n",
            "recipes/mine.yaml:4: cluster: merge keys (<<) are not supported\n"
            "  use extends: to build on a recipe",
        ),
        (
            "extends: base\ndescription: !!binary aGk=\n",
            "recipes/mine.yaml:2: description: the tag !!binary is not supported",
        ),
        (
            "extends: base\ndescription: !!python/object:os.system x\n",
            "recipes/mine.yaml:2: description: the tag !!python/object:os.system is not supported",
        ),
    ],
)
def test_yaml_that_recipes_may_not_use_is_an_error_with_file_and_line(
    error_of: ErrorOf, text: str, message: str
) -> None:
    assert error_of(text) == message


def test_byte_that_is_not_utf_8_is_an_error_with_line_and_column(recipes: Path) -> None:
    (recipes / "mine.yaml").write_bytes("extends: base\ndescription: ä".encode() + b"\xe4\n")
    with pytest.raises(RecipeError) as error:
        load_recipe("mine", recipes)
    assert str(error.value) == ("recipes/mine.yaml:2:15: byte 0xe4 is not UTF-8\n  save the file as UTF-8")


def test_byte_order_mark_and_crlf_do_no_harm(recipes: Path) -> None:
    (recipes / "mine.yaml").write_bytes(b"\xef\xbb\xbfextends: base\r\ndescription: mine\r\n")
    assert load_recipe("mine", recipes).recipe.description == "mine"


def test_folder_or_broken_link_in_place_of_a_file_is_an_error(recipes: Path) -> None:
    (recipes / "folder.yaml").mkdir()
    (recipes / "link.yaml").symlink_to("nowhere")
    for name in ("folder", "link"):
        with pytest.raises(RecipeError, match=f"^recipes/{name}.yaml: cannot be read: this is not a file$"):
            load_recipe(name, recipes)


def test_unreadable_file_is_an_error_with_the_reason(recipes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # as root, a file without permissions can be read
    with pytest.raises(RecipeError, match=r"^recipes/base\.yaml: cannot be read: Permission denied$"):
        load_recipe("base", recipes)
