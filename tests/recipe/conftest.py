"""A folder with a complete recipe; tests write recipes that extend it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ssiuml.errors import RecipeError
from ssiuml.recipe.load import load_recipe

COMPLETE = """\
description: a complete recipe
distribution:
  name: debian
  suite: bookworm
  mirror: http://deb.debian.org/debian
packages: [corosync, gfs2-utils]
source_date_epoch: 1700000000
sizes: {root_fs: 1 GiB}
filesystem:
  type: gfs2
  block_size: 4096
  journals: 3
  journal_size: 8 MiB
  lock_protocol: lock_dlm
  lock_table: "ssi:root"
cluster:
  node_limit: 3
  network: 192.168.50.0/24
  timings: {token_ms: 2000, join_ms: 50, consensus_ms: 2400}
kernel: {source: package, package: user-mode-linux, modules: all}
initrd: {tools: [/bin/busybox], modules: [dlm, gfs2], limit: 12 MiB}
root_password_hash: "$6$salt$hash"
release: {root: root-x, utils: utils-x}
"""

Write = Callable[[str, str], Path]
ErrorOf = Callable[[str], str]


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A folder `recipes` with the recipe `base`."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "base.yaml").write_text(COMPLETE)
    return folder


@pytest.fixture
def write(recipes: Path) -> Write:
    """Write recipe *name* with the given text."""

    def write_recipe(name: str, text: str) -> Path:
        path = recipes / f"{name}.yaml"
        path.write_text(text)
        return path

    return write_recipe


@pytest.fixture
def error_of(recipes: Path, write: Write) -> ErrorOf:
    """Return the message of the error when a recipe `mine` with the given text is loaded."""

    def load(text: str) -> str:
        write("mine", text)
        with pytest.raises(RecipeError) as error:
            load_recipe("mine", recipes)
        return str(error.value)

    return load
