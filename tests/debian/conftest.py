"""A project with a signed mirror of the tests' own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import web_server
from local_mirror import LocalMirror
from mirrored_project import Bench
from project import PROJECT

from ssiuml.debian import apt
from ssiuml.pipeline.packages import Packages


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project and its mirror, locked and fetched. Each test gets a copy."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "project" / "recipes").mkdir(parents=True)
    for path in (PROJECT / "recipes").glob("*.yaml"):
        (folder / "project" / "recipes" / path.name).write_bytes(path.read_bytes())
    (folder / "mirror").mkdir()
    with web_server() as web, pytest.MonkeyPatch.context() as monkeypatch:
        mirror = LocalMirror(folder / "mirror", web)
        monkeypatch.setattr(apt, "KEYRING", mirror.keyring)
        mirror.make("basics", "1.0", Essential="yes", Priority="required")
        mirror.make("needed", "2:1.0-1", Priority="required")
        mirror.make("library", "1.0~rc1+b2")
        mirror.make("tool", "1.0", Depends="library (>= 1.0~)")
        mirror.make("other", "1.0")
        mirror.make("kernel", "6.1um4")
        mirror.publish()
        bench = Bench(folder / "project", mirror)
        bench.mine()
        bench.lock()
        mirror.close()
    shutil.rmtree(Packages(bench.plan()).apt.folder)
    return folder


@pytest.fixture
def bench(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A project whose recipe ``mine`` is locked, with the locked packages in the cache."""
    folder = tmp_path / "copy"
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("S.*"))
    with web_server() as web:
        mirror = LocalMirror(folder / "mirror", web)
        monkeypatch.setattr(apt, "KEYRING", mirror.keyring)
        monkeypatch.setattr(apt, "SNAPSHOT_URL", web.url("/archive"))
        mirror.serve()
        bench = Bench(folder / "project", mirror)
        bench.mine()
        yield bench
        mirror.close()
