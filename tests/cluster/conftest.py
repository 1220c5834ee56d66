"""Fixtures of the tests of clusters: images, clusters of real nodes, clusters of fake ones."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import Checkout
from clusters import Cluster, made_cluster
from fake_clusters import TOGETHER, FakeCluster
from processes import wait_until

from ssiuml.cluster import state
from ssiuml.cluster.image_choice import Image, choose_image
from ssiuml.cluster.paths import ClusterFolder


def _make_image(folder: Path, recipe: str = "trixie") -> Path:
    folder.mkdir(parents=True)
    values = {
        "schema": 3,
        "recipe": recipe,
        **{key: {"file": name} for key, name in (("root_fs", "root_fs"), ("kernel", "k"), ("initrd", "i"))},
        "filesystem": {"type": "gfs2"},
        "cluster": {"node_limit": 3, "network": "192.168.50.0/24", "timings": {"token_ms": 2000}},
    }
    (folder / "manifest.json").write_text(json.dumps(values))
    for name in ("root_fs", "k", "i"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def make_image() -> Callable[..., Path]:
    """A function that makes a folder with the files of an image, given the folder and the recipe."""
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
def short_path() -> Iterator[Path]:
    """A folder with a short name: that of a socket has at most 107 bytes, for which tmp_path is too long."""
    folder = Path(tempfile.mkdtemp(prefix="ssi."))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cluster(built: Checkout) -> Iterator[Cluster]:
    """A cluster that is not started."""
    with made_cluster(built.images) as made:
        yield made


@pytest.fixture(scope="session")
def shared_three(built: Checkout) -> Iterator[Cluster]:
    """The cluster of ``three``. It stops in order when all tests are done, and its root must be clean."""
    with made_cluster(built.images) as made:
        made.start(3)
        yield made
        assert "the root is clean" in made.do("stop")
        made.fsck()


@pytest.fixture
def three(shared_three: Cluster) -> Iterator[Cluster]:
    """Three nodes that run. The same ones must run after the test."""
    before = shared_three.processes()
    assert before.keys() == {"supervisor", "1", "2", "3"}
    yield shared_three
    assert shared_three.processes() == before


@pytest.fixture
def crashing(shared_three: Cluster) -> Iterator[Cluster]:
    """Three nodes that run. The test may crash some of them: they are started again after it."""
    yield shared_three
    if missing := {1, 2, 3} - shared_three.up():
        shared_three.add(*sorted(missing))


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    """A cluster of fake nodes that is not started."""
    made = FakeCluster(tmp_path)
    yield made
    current = state.read_state(made.folder)
    if current is not None and current.is_current:
        os.kill(current.supervisor.pid, signal.SIGKILL)
        wait_until(lambda: not current.is_current, "the supervisor's end")
    state.clear_stale(made.folder)


@pytest.fixture
def three_fakes(fake: FakeCluster) -> FakeCluster:
    """Three fake nodes that are ready and see each other."""
    fake.boot_script(TOGETHER)
    fake.launch()
    assert fake.start(1, 2, 3)["ok"]
    return fake
