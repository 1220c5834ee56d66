"""A recipe, merged with those that it extends, as text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.recipe.dump import dump_recipe
from ssiuml.recipe.load import load_recipe

Write = Callable[[str, str], Path]

RICH = """\
extends: base
distribution: {security_mirror: http://x/y, snapshot: 20260101T000000Z, components: [main, contrib]}
sizes: {root_fs: 1025 MiB}
initrd: {limit: 1234567}
extra_packages: [g++]
prune: [ssh]
kernel: {modules: [dlm]}
files:
- {path: /etc/a, content: "two\\nlines\\n", mode: "0600", uid: 5, gid: 6}
- {path: /etc/b, content: ""}
- {path: /etc/c, content: "  odd \\n\\n\\ttext\\r\\n\\u00e4\\U0001F427\\0"}
- {path: /etc/d, content: "yes", mode: 0755}
- {path: /etc/e, source: base.yaml}
"""


ANY_SET_ID = "extends: base\nrelease: {set_id: null}\n"


@pytest.mark.parametrize("text", ["extends: base\n", RICH, ANY_SET_ID])
def test_dumped_recipe_loads_to_an_equal_one(recipes: Path, write: Write, text: str) -> None:
    write("mine", text)
    recipe = load_recipe("mine", recipes).recipe
    write("dumped", dump_recipe(recipe))
    assert load_recipe("dumped", recipes).recipe == recipe


def test_dump_has_the_order_of_the_model_and_sizes_with_units(recipes: Path, write: Write) -> None:
    write("mine", RICH)
    recipe = load_recipe("mine", recipes).recipe
    text = dump_recipe(recipe)
    keys = [line.partition(":")[0] for line in text.splitlines() if line[0] not in " -"]
    assert keys == [key for key, value in recipe if value is not None]
    assert "  root_fs: 1025 MiB\n" in text
    assert "  limit: 1234567 bytes\n" in text
    assert "  journal_size: 8 MiB\n" in text
    assert "    content: |\n      two\n      lines\n" in text
    assert "source: null" not in text
