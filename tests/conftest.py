"""Fixtures of several folders of tests, what each test needs, and which tests run on one worker.

Tests run side by side (pytest-xdist). What takes long to make is made once and shared by all workers.
"""

import compileall
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import hypothesis
import pytest
from checkouts import Checkout, KernelAndBase, copy_sources, kernel_and_base_of
from filelock import FileLock, Timeout
from http_server import Web, web_server
from project import PROJECT
from redhat.sources import NAMES, SMALL_RECIPE, make_sources, serve_sources, sources_section

from ssiuml.host.places import cache_root
from ssiuml.images.appliance import Appliance
from ssiuml.layers.initrd import modules_tree, tools_tree

# The fixtures that bring a test into the tier of a marker. A test that needs none of them marks itself.
TIERS: Final = {
    "build": {"built", "stock", "released", "historic"},
    "boot": {"shared_three", "cluster", "ssi_three", "appliance"},
    "historic": {"redhat_sources", "redhat_web", "historic"},
    "release": {"released"},
}
# The group of a test by the fixture that it uses, the first that fits. One worker runs all tests of a group:
# they share what the fixture makes, or would hinder each other.
GROUPS: Final = {
    "historic": "historic",
    "ssi_three": "ssi",
    "stock": "stock",
    "cluster": "cluster",
    "shared_three": "cluster",
    "released": "built",
}
LONG_GROUPS: Final = ("cluster", "ssi", "built", "historic", "stock")  # the longest first
STAMPS_KEPT_S: Final = 24 * 3600.0
KEPT_ENTRIES: Final = 6  # so many bases and so many kernels stay in the tests' cache

# No time limit for an example: a busy host may be many times slower than usual.
hypothesis.settings.register_profile("ssiuml", deadline=None)
hypothesis.settings.load_profile("ssiuml")


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package, so that the many processes that tests start only have to load it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(PROJECT / "ssiuml", quiet=2)
        prune(cache_of_tests())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tiers, and with its group: tests that one worker runs one after the other.

    The groups that take longest come first, so that no worker is left alone with one at the end.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for marker, needed in TIERS.items():
            if fixtures & needed:
                item.add_marker(marker)
        if item.path.is_relative_to(PROJECT / "tests" / "historic"):
            item.add_marker("historic")
        if not any(item.get_closest_marker(tier) for tier in (*TIERS, "docs")):
            item.add_marker("unit")
        if item.get_closest_marker("xdist_group") is None:
            group = next((name for fixture, name in GROUPS.items() if fixture in fixtures), None)
            file = item.path.relative_to(PROJECT / "tests")
            item.add_marker(pytest.mark.xdist_group(group or str(file)))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    mark = item.get_closest_marker("xdist_group")
    group = mark.args[0] if mark else ""
    return LONG_GROUPS.index(group) if group in LONG_GROUPS else len(LONG_GROUPS)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run side by side what hinders each other, as with a pytest unknown to pytest-xdist."""
    if hasattr(session.config, "workerinput") and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist does not group tests; install the versions of pyproject.toml")


def cache_of_tests() -> Path:
    return cache_root(os.environ) / "tests"


def prune(cache: Path) -> None:
    """Remove what no test will use again: stamps of other runs, and all entries but those used last."""
    for kind in ("base", "kernel"):
        facts = sorted((cache / kind).glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in facts[:-KEPT_ENTRIES]:
            entry = path.with_suffix("")
            with suppress(Timeout), FileLock(entry.with_name(f".{entry.name}.lock"), timeout=0):
                path.unlink(missing_ok=True)
                entry.unlink(missing_ok=True)
    for stamp in (cache / "downloads").glob("fetch-*"):  # each belongs to one checkout
        if time.time() - stamp.stat().st_mtime > STAMPS_KEPT_S:
            stamp.unlink()


@contextmanager
def made_once(target: Path) -> Iterator[bool]:
    """Yield whether *target* is still to be made. Other workers wait for the end of the block."""
    done = target.with_name(f"{target.name}.done")
    with FileLock(target.with_name(f"{target.name}.lock")):
        yield not done.exists()
        done.touch()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def kept_cache() -> Path:
    """The cache of the tests' builds. It stays for the next run: its entries are named by what made them."""
    return cache_of_tests()


@pytest.fixture(scope="session")
def built(shared: Path, kept_cache: Path) -> Checkout:
    """A checkout with the small image built. Tests may add recipes, and may not change the image."""
    checkout = Checkout(shared / "built", kept_cache)
    with made_once(checkout.folder) as is_new:
        if is_new:
            shutil.rmtree(checkout.folder, ignore_errors=True)  # of a worker that failed
            checkout.folder.mkdir()
            copy_sources(checkout.folder)
            checkout.build()
    return checkout


@pytest.fixture(scope="session")
def released(shared: Path, built: Checkout) -> Path:
    """The folder with the release of the small image. A test may not change it."""
    with made_once(shared / "released") as is_new:
        if is_new:
            built.build("release")
    return built.folder / "images" / "release"


@pytest.fixture(scope="session")
def stock(shared: Path, built: Checkout) -> Checkout:
    """A checkout with the small image of Debian 12, whose kernel is Debian's."""
    checkout = Checkout(built.folder, built.cache, "bookworm-min")
    with made_once(shared / "stock") as is_new:
        if is_new:
            checkout.build()
    return checkout


@pytest.fixture(scope="session")
def redhat_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stand-ins for the downloads of 2002 (redhat.sources). A test may not change it."""
    return make_sources(tmp_path_factory.mktemp("redhat") / "sources")


@pytest.fixture(scope="session")
def redhat_web(redhat_sources: Path) -> Iterator[Web]:
    """The stand-ins on a web server. The first connection for the base breaks in the middle."""
    with web_server() as web:
        serve_sources(web, redhat_sources)
        base = web.paths[f"/{NAMES['base']}"]
        base.drop_after, base.times = len(base.data) // 2, 1
        yield web


@pytest.fixture(scope="session")
def historic(tmp_path_factory: pytest.TempPathFactory, redhat_web: Web) -> Checkout:
    """A checkout with a small variant of rh72 built, from an empty cache. All its tests are in one group."""
    folder = tmp_path_factory.mktemp("historic")
    checkout = Checkout(folder / "ssiuml", folder / "cache")
    checkout.folder.mkdir()
    copy_sources(checkout.folder)
    checkout = checkout.write_recipe("small", SMALL_RECIPE + sources_section(redhat_web.url("/")))
    checkout.build()
    return checkout


@pytest.fixture
def kernel_and_base(built: Checkout) -> KernelAndBase:
    """The kernel of the small image, and a tree with its modules."""
    return kernel_and_base_of(built)


@pytest.fixture
def appliance(kernel_and_base: KernelAndBase, tmp_path: Path) -> Appliance:
    """An appliance with no more programs and modules than it needs."""
    whole = kernel_and_base.tree()
    small = tools_tree(whole, ["/bin/busybox", "/bin/tar"], mtime_ns=0)
    for path, node in modules_tree(whole, kernel_and_base.version, ["gfs2"], mtime_ns=0).walk():
        if path and small.find(path) is None:
            small.add(path, node)
    return Appliance(
        kernel=kernel_and_base.kernel,
        modules_version=kernel_and_base.version,
        programs=small,
        work=tmp_path / "work",
    )
