"""What tests of several folders share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, copy_sources
from http_server import Web, web_server
from parts import Parts, parts_of
from redhat.serving import NAMES, SMALL, serve_sources, sources
from redhat.sources import make_sources

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
    """The folder with the release of the small image. Not to be changed."""
    built.build("release")
    return built.folder / "images" / "release"


@pytest.fixture(scope="session")
def ssi(built: Checkout) -> Checkout:
    """The small image with the kernel that is built here; the user's cache keeps that for the next run."""
    kept = cache_root(os.environ) / "tests" / "kernel"
    kept.mkdir(parents=True, exist_ok=True)
    cache = built.cache.parent / "cache-ssi"
    cache.mkdir()
    (cache / "kernel").symlink_to(kept)
    for name in ("base", "downloads"):  # what this adds to them is not the other's
        shutil.copytree(built.cache / name, cache / name, copy_function=os.link)
    checkout = Checkout(built.folder, cache).write_recipe("ssi", SSI)
    checkout.build()
    return checkout


@pytest.fixture(scope="session")
def redhat_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stand-ins for what was published in 2002; see redhat.sources. Not to be changed."""
    return make_sources(tmp_path_factory.mktemp("redhat") / "sources")


@pytest.fixture(scope="session")
def redhat_web(redhat_sources: Path) -> Iterator[Web]:
    """The stand-ins on a web server; the first connection for the base breaks in the middle."""
    with web_server() as web:
        serve_sources(web, redhat_sources)
        base = web.paths[f"/{NAMES['base']}"]
        base.drop_after, base.times = len(base.data) // 2, 1
        yield web


@pytest.fixture(scope="session")
def historic(tmp_path_factory: pytest.TempPathFactory, redhat_web: Web) -> Checkout:
    """A checkout with the small variety of rh72 built, from an empty cache."""
    folder = tmp_path_factory.mktemp("historic")
    checkout = Checkout(folder / "ssiuml", folder / "cache")
    checkout.folder.mkdir()
    copy_sources(checkout.folder)
    checkout = checkout.write_recipe("small", SMALL + sources(redhat_web.url("/")))
    checkout.build()
    return checkout


@pytest.fixture
def parts(built: Checkout) -> Parts:
    """A kernel, and a tree with its modules."""
    return parts_of(built)


@pytest.fixture
def appliance(parts: Parts, tmp_path: Path) -> Appliance:
    """An appliance with no more programs and modules than it needs."""
    whole = parts.tree()
    small = tools_tree(whole, ["/bin/busybox", "/bin/tar"], mtime_ns=0)
    for path, node in modules_tree(whole, parts.version, ["gfs2"], mtime_ns=0).walk():
        if path and small.find(path) is None:
            small.add(path, node)
    return Appliance(
        kernel=parts.kernel, modules_version=parts.version, programs=small, work=tmp_path / "work"
    )
