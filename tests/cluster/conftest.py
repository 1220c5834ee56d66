"""What tests of clusters share."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import Checkout
from clusters import Cluster, made_cluster

from ssiuml.cluster.image_choice import Image, choose_image
from ssiuml.cluster.paths import ClusterFolder


def _make_image(folder: Path, recipe: str = "bookworm") -> Path:
    folder.mkdir(parents=True)
    values = {
        "schema": 1,
        "recipe": recipe,
        **{key: {"file": name} for key, name in (("root_fs", "root_fs"), ("kernel", "k"), ("initrd", "i"))},
        "filesystem": {"type": "gfs2"},
        "cluster": {"node_limit": 3, "timings": {"token_ms": 2000}},
    }
    (folder / "manifest.json").write_text(json.dumps(values))
    for name in ("root_fs", "k", "i"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def make_image() -> Callable[..., Path]:
    """Makes a folder that looks like one with images, given folder and recipe."""
    return _make_image


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    made = ClusterFolder(tmp_path / "c")
    made.make()
    return made


@pytest.fixture
def image(tmp_path: Path, make_image: Callable[..., Path]) -> Image:
    make_image(tmp_path / "image")
    return choose_image(None, tmp_path / "image", tmp_path)


@pytest.fixture
def cluster(built: Checkout) -> Iterator[Cluster]:
    """A cluster that is not started."""
    with made_cluster(built.images) as made:
        yield made


@pytest.fixture(scope="module")
def three(built: Checkout) -> Iterator[Cluster]:
    """Three nodes for tests that leave them as they are; afterwards the root has to be clean."""
    with made_cluster(built.images) as made:
        made.start(3)
        yield made
        assert made.up() == {1, 2, 3}
        made.do("stop")
        made.fsck()
