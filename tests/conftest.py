"""Fixtures of several folders of tests: built checkouts, releases, stand-ins for the downloads of 2002."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, KernelAndBase, copy_sources, kernel_and_base_of
from http_server import Web, web_server
from redhat.sources import NAMES, SMALL_RECIPE, make_sources, serve_sources, sources_section

from ssiuml.host.places import cache_root
from ssiuml.images.appliance import Appliance
from ssiuml.layers.initrd import modules_tree, tools_tree

SSI = """\
description: bookworm-ssi, small, for tests
extends: bookworm-ssi
sizes: {root_fs: 1 GiB}
filesystem: {journals: 3, journal_size: 8 MiB}
cluster: {node_limit: 3}
kernel: {modules: [fuse, loop]}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with the small image built, from an empty cache: the cold build itself."""
    folder = tmp_path_factory.mktemp("built")
    checkout = Checkout(folder / "ssiuml", folder / "cache")
    checkout.folder.mkdir()
    copy_sources(checkout.folder)
    checkout.build()
    return checkout


@pytest.fixture(scope="session")
def released(built: Checkout) -> Path:
    """The folder with the release of the small image. A test may not change it."""
    built.build("release")
    return built.folder / "images" / "release"


@pytest.fixture(scope="session")
def ssi(built: Checkout) -> Checkout:
    """A checkout with the small image and our own kernel, which the user's cache keeps for the next run."""
    kept = cache_root(os.environ) / "tests" / "kernel"
    kept.mkdir(parents=True, exist_ok=True)
    cache = built.cache.parent / "cache-ssi"
    cache.mkdir()
    (cache / "kernel").symlink_to(kept)
    for name in ("base", "downloads"):  # folders of its own, so that nothing is added to the other cache
        shutil.copytree(built.cache / name, cache / name, copy_function=os.link)
    checkout = Checkout(built.folder, cache).write_recipe("ssi", SSI)
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
    """A checkout with a small variant of rh72 built, from an empty cache."""
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
