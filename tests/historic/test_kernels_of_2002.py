"""The recipes rh72 and rh72-cvs up to modules and OpenGFS, with stand-ins for the downloads of 2002."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, copy_sources
from http_server import Web, web_server
from redhat import linux24
from redhat.sources import serve_sources, sources_section

from ssiuml.tree.elf import is_i386
from ssiuml.tree.layer import merge, read_layer

RECIPE = """\
description: for a test
extends: {extends}
sizes: {{root_fs: 512 MiB}}
filesystem: {{journals: 3}}
cluster: {{node_limit: 3}}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with nothing built, and an empty cache."""
    folder = tmp_path_factory.mktemp("old-kernels")
    (folder / "ssiuml").mkdir()
    copy_sources(folder / "ssiuml")
    return Checkout(folder / "ssiuml", folder / "cache")


def _recipe(checkout: Checkout, name: str, extends: str, more: str) -> Checkout:
    return checkout.write_recipe(name, RECIPE.format(extends=extends) + more)


@pytest.fixture(scope="module")
def old_web(redhat_sources: Path) -> Iterator[Web]:
    """A web server of this file, since other tests count the requests to the shared one."""
    with web_server() as web:
        serve_sources(web, redhat_sources)
        yield web


@pytest.fixture(scope="module")
def release(checkout: Checkout, old_web: Web) -> Checkout:
    """The recipe rh72, unchanged but for the compiler, which is this machine's."""
    made = _recipe(
        checkout, "release", "rh72", sources_section(old_web.url("/")) + "kernel: {toolchain: host}\n"
    )
    made.build()
    return made


def test_a_release_gives_kernel_modules_opengfs_and_ram_disks(release: Checkout) -> None:
    assert is_i386((release.images / "linux-ssi").read_bytes())
    tree = merge([read_layer(release.images / f"layers/{name}.tar") for name in ("modules", "opengfs")])
    modules = "lib/modules/2.4.16-21um"
    assert tree.lookup(f"{modules}/kernel/fs/gfs/gfs.o").read().startswith(b"\x7fELF")
    assert tree.lookup(f"{modules}/modules.dep").read()
    assert tree.lookup("sbin/memexpd").meta.mode == 0o755
    assert (release.images / "initrd-ssi.img").is_file()
    assert (release.images / "initrd-memexp.img").is_file()


def test_show_says_that_the_source_of_the_kernel_is_not_verified(release: Checkout) -> None:
    output = release.doit("show").output
    assert "not verified against the original: the kernel's source (release)" in output


def test_a_second_build_makes_nothing(release: Checkout) -> None:
    outcome = release.build("kernel", "build-root")
    assert outcome.made <= {"host-tools"}, outcome.output


def test_the_compiler_of_the_base_image_builds_the_same_kernel(release: Checkout, old_web: Web) -> None:
    own = _recipe(release, "own", "rh72", sources_section(old_web.url("/")))
    assert "kernel" in own.build("kernel").made
    assert "dep linux modules , on i686" in (own.images / "kernel.log").read_text()
    assert (own.images / "linux-ssi").read_bytes() == (release.images / "linux-ssi").read_bytes()


def test_a_changed_configuration_builds_the_kernel_again_without_unpacking_its_source_again(
    release: Checkout,
) -> None:
    prepared = release.cache / "kernel" / "trees" / "configured" / "prepared"
    mine = release.folder / "recipes" / "mine.config"
    mine.write_text("CONFIG_SSI=y\n")
    text = "description: for a test\nextends: release\nkernel: {config: mine.config}\n"
    configured = release.write_recipe("configured", text)
    configured.build("kernel")
    before = prepared.stat().st_mtime_ns
    mine.write_text("CONFIG_SSI=y\nCONFIG_MORE=y\n")
    assert "kernel" in configured.build("kernel").made
    assert prepared.stat().st_mtime_ns == before
    configured.build("modules")
    layer = merge([read_layer(configured.images / "layers" / "modules.tar")])
    assert "CONFIG_MORE=y" in layer.lookup("lib/modules/2.4.16-21um/config").read().decode()


@pytest.fixture
def cvs(checkout: Checkout, old_web: Web, tmp_path: Path) -> Checkout:
    """The recipe rh72-cvs, with checkouts in the folder of the test."""
    linux24.make_checkouts(tmp_path)
    more = sources_section(old_web.url("/"))
    more += f"  linux-cvs: {{urls: ['{old_web.url(f'/{linux24.CVS_BASE_NAME}')}']}}\n"
    more += "kernel:\n  toolchain: host\n"
    more += f"  ssi: {{folder: '{tmp_path}/ssic-linux'}}\n  ci: {{folder: '{tmp_path}/ci-linux'}}\n"
    more += f"  patches: [{linux24.FURTHER_PATCH}]\n"
    return _recipe(checkout, "cvs", "rh72-cvs", more)


def test_a_cvs_checkout_gives_a_kernel_and_opengfs_for_it(cvs: Checkout) -> None:
    outcome = cvs.build("opengfs")
    assert "its hunk for Makefile failed, as expected" in outcome.output
    layer = merge([read_layer(cvs.images / "layers" / "opengfs.tar")])
    assert layer.lookup("lib/modules/2.4.18-22um/kernel/fs/gfs/gfs.o").read()


def test_a_change_in_a_checkout_builds_the_kernel_again(cvs: Checkout, tmp_path: Path) -> None:
    cvs.build("kernel")
    code = tmp_path / "ci-linux/ci-kernel/cluster/ci.c"
    code.write_text("int changed;\n")
    assert "kernel" in cvs.build("kernel").made
    source = cvs.cache / "kernel/trees/cvs/source/cluster/ci.c"
    assert source.read_text() == "int changed;\n"


def test_checkouts_of_different_versions_stop_the_build_without_a_traceback(
    cvs: Checkout, tmp_path: Path
) -> None:
    makefile = tmp_path / "ci-linux/ci-kernel/Makefile"
    makefile.write_text(linux24.makefile(17, "-22um"))
    outcome = cvs.doit("kernel")
    assert outcome.status == 1
    assert "update both checkouts" in outcome.output
    assert "Traceback" not in outcome.output


def test_distclean_removes_the_source_and_the_kernel_from_the_cache(cvs: Checkout) -> None:
    cvs.build("kernel")
    tree = cvs.cache / "kernel" / "trees" / "cvs"
    before = set((cvs.cache / "kernel").glob("*.tar"))
    assert tree.is_dir()
    cvs.build("distclean")
    assert not tree.exists()
    assert len(before - set((cvs.cache / "kernel").glob("*.tar"))) == 1
