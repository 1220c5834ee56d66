"""What tests of several folders share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, copy_sources
from http_server import Web, web_server
from parts import Parts, parts_of
from redhat.serving import NAMES, SMALL, serve_sources, sources
from redhat.sources import make_sources

from ssiuml.appliance import Appliance
from ssiuml.initrd import modules_tree, tools_tree


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
