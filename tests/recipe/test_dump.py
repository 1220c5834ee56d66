"""A resolved recipe as text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.recipe.dump import dump_recipe
from ssiuml.recipe.load import load_recipe
from ssiuml.recipe.model import Recipe

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


@pytest.mark.parametrize("text", ["extends: base\n", RICH])
def test_dumped_recipe_loads_to_an_equal_one(recipes: Path, write: Write, text: str) -> None:
    write("mine", text)
    recipe = load_recipe("mine", recipes).recipe
    write("dumped", dump_recipe(recipe))
    assert load_recipe("dumped", recipes).recipe == recipe


def test_dump_has_the_order_of_the_schema_and_sizes_for_people(recipes: Path, write: Write) -> None:
    write("mine", RICH)
    text = dump_recipe(load_recipe("mine", recipes).recipe)
    keys = [line.partition(":")[0] for line in text.splitlines() if line[0] not in " -"]
    assert keys == [key for key in Recipe.model_fields if key not in ("uml", "demo", "opengfs")]
    assert "  root_fs: 1025 MiB\n" in text
    assert "  limit: 1234567 bytes\n" in text
    assert "  journal_size: 8 MiB\n" in text
    assert "    content: |\n      two\n      lines\n" in text
    assert "source: null" not in text
