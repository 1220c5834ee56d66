"""What tests of several folders share."""

from pathlib import Path

import pytest
from checkouts import Checkout, copy_sources
from redhat.sources import make_sources

from ssiuml.appliance import Appliance
from ssiuml.build import Build
from ssiuml.initrd import modules_tree, tools_tree
from ssiuml.layer import merge, read_layer
from ssiuml.plan import make_plan


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


@pytest.fixture
def appliance(built: Checkout, tmp_path: Path) -> Appliance:
    """An appliance with no more programs and modules than it needs."""
    plan = make_plan(built.recipe, built.folder, {"SSIUML_CACHE": str(built.cache)})
    steps = Build(plan).steps
    base = read_layer(Path(steps["base"].results()["path"]))
    whole = merge([base, read_layer(plan.layer("modules"))])
    version = str(steps["kernel-image"].results()["version"])
    small = tools_tree(whole, ["/bin/busybox", "/bin/tar"], mtime_ns=0)
    for path, node in modules_tree(whole, version, ["gfs2"], mtime_ns=0).walk():
        if path and small.find(path) is None:
            small.add(path, node)
    return Appliance(kernel=plan.kernel, modules_version=version, programs=small, work=tmp_path / "work")
