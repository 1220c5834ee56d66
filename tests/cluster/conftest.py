"""What tests of clusters share."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def _make_image(folder: Path, recipe: str = "bookworm") -> Path:
    folder.mkdir(parents=True)
    values = {
        "schema": 1,
        "recipe": recipe,
        **{key: {"file": name} for key, name in (("root_fs", "root_fs"), ("kernel", "k"), ("initrd", "i"))},
        "filesystem": {"type": "gfs2"},
        "cluster": {"node_limit": 3},
    }
    (folder / "manifest.json").write_text(json.dumps(values))
    for name in ("root_fs", "k", "i"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def make_image() -> Callable[..., Path]:
    """Makes a folder that looks like one with images, given folder and recipe."""
    return _make_image
