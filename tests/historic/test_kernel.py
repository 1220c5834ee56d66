"""A kernel of 2002 from a release and from CVS. The stand-ins of its source fail if a step is left out."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from redhat import linux24

from ssiuml.errors import SsiumlError
from ssiuml.historic.kernel import HistoricBuild, built_tree, get_or_build
from ssiuml.historic.kernel_source import Checkout, Release
from ssiuml.host.cache import Cache, Entry
from ssiuml.kernel.packed import PROGRAM
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.tree.layer import merge, read_layer


@pytest.fixture
def release(tmp_path: Path) -> Release:
    base = linux24.make_base(tmp_path / linux24.BASE_NAME)
    ssi = linux24.make_release(tmp_path / linux24.SSI_NAME)
    return Release(base=base, ssi=ssi, ssi_name=ssi.name, patches=())


def _checkout(folder: Path, base: Path, **choice: object) -> Checkout:
    ssi, ci = linux24.make_checkouts(folder, **choice)  # type: ignore[arg-type]
    return Checkout(
        base=base,
        opened=lambda: nullcontext((ssi, ci)),
        uml_patch=linux24.UML_PATCH,
        opengfs_patch=linux24.OPENGFS_PATCH,
        patches=(),
    )


@pytest.fixture
def cvs_base(tmp_path: Path) -> Path:
    return linux24.make_base(tmp_path / linux24.CVS_BASE_NAME, 18, "2.4.18-22um")


def _build(folder: Path, source: Release | Checkout) -> HistoricBuild:
    @contextmanager
    def host() -> Iterator[None]:
        yield None

    return HistoricBuild(
        source=source,
        source_inputs={"source": 1},
        inputs={"all": 1},
        config=None,
        toolchain=host,
        epoch=1022630400,
        tree=SourceTree(folder / "tree"),
        log=folder / "kernel.log",
    )


def _built(folder: Path, source: Release | Checkout) -> Entry:
    return get_or_build(Cache(folder / "cache"), _build(folder, source))


def _names(entry: Entry) -> set[str]:
    listed = subprocess.run(["tar", "-tf", entry.path], capture_output=True, text=True, check=True).stdout
    return {name.strip("./") for name in listed.splitlines()}


def test_a_release_is_patched_configured_and_built_in_the_order_of_the_howto(
    tmp_path: Path, release: Release
) -> None:
    entry = _built(tmp_path, release)
    assert entry.facts == {"version": "2.4.16-21um"}
    goals = (tmp_path / "tree/source/goals.log").read_text().splitlines()
    assert [line.split() for line in goals] == [
        ["oldconfig"],
        ["dep", "linux", "modules"],
        ["modules_install"],
    ]
    top = "usr/lib/uml/modules/2.4.16-21um"
    assert {PROGRAM, f"{top}/modules.dep", f"{top}/kernel/fs/vfat/vfat.o", f"{top}/config"} <= _names(entry)
    assert f"{top}/build" not in _names(entry)  # a link to the folder where it was built


def test_a_checkout_is_built_although_the_uml_patch_does_not_fit_the_makefile(
    tmp_path: Path, cvs_base: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = _built(tmp_path, _checkout(tmp_path, cvs_base))
    assert entry.facts == {"version": "2.4.18-22um"}
    assert "its hunk for Makefile failed, as expected" in capfd.readouterr().err
    source = tmp_path / "tree/source"
    assert (source / "init/version.c").is_file()
    assert (source / "cluster/ci.c").is_file()
    assert list(source.rglob("*.rej")) == []


def test_a_build_changes_nothing_in_the_checkout(tmp_path: Path, cvs_base: Path) -> None:
    chosen = _checkout(tmp_path, cvs_base)
    before = {path: path.read_bytes() for path in (tmp_path / "ssic-linux").rglob("*") if path.is_file()}
    _built(tmp_path, chosen)
    assert {path: path.read_bytes() for path in before} == before


def test_further_patches_are_applied_to_a_release_and_a_checkout(
    tmp_path: Path, cvs_base: Path, release: Release
) -> None:
    chosen = replace(_checkout(tmp_path, cvs_base), patches=(linux24.FURTHER_PATCH,))
    _built(tmp_path, chosen)
    assert (tmp_path / "tree/source/fs/more.c").is_file()
    more = tmp_path / "ssic-linux/3rd-party" / linux24.FURTHER_PATCH
    (tmp_path / "second").mkdir()
    _built(tmp_path / "second", replace(release, patches=(more,)))
    assert (tmp_path / "second/tree/source/fs/more.c").is_file()


def test_a_kernel_is_built_once_and_a_second_build_elsewhere_gives_the_same_bytes(
    tmp_path: Path, release: Release
) -> None:
    first = _built(tmp_path, release)
    assert _built(tmp_path, release) == first
    goals = (tmp_path / "tree/source/goals.log").read_text().splitlines()
    assert len(goals) == 3
    second = tmp_path / "elsewhere"
    second.mkdir()
    assert _built(second, release).sha256 == first.sha256


def test_the_configuration_of_the_user_takes_the_place_of_config_uml(
    tmp_path: Path, release: Release
) -> None:
    mine = tmp_path / "mine.config"
    mine.write_text("CONFIG_SSI=y\nCONFIG_MINE=y\n")
    build = replace(_build(tmp_path, release), config=mine)
    entry = get_or_build(Cache(tmp_path / "cache"), build)
    config = merge([read_layer(entry.path)]).lookup("usr/lib/uml/modules/2.4.16-21um/config")
    assert "CONFIG_MINE=y" in config.read().decode()


def test_the_source_to_build_against_is_built_with_the_configuration_of_its_own_kernel(
    tmp_path: Path, release: Release
) -> None:
    """Kernels A, B and again A: the third comes from the cache, while the source is still that of B."""
    cache, source = Cache(tmp_path / "cache"), tmp_path / "tree/source"
    builds = []
    for name in "ab":
        config = tmp_path / name
        config.write_text(f"CONFIG_SSI=y\nCONFIG_{name.upper()}=y\n")
        builds.append(replace(_build(tmp_path, release), config=config, inputs={"config": name}))
        get_or_build(cache, builds[-1])
    get_or_build(cache, builds[0])
    for build, name in zip(builds, "AB", strict=True):
        with built_tree(build) as (folder, root):
            assert (folder, root) == (source, None)
            assert f"CONFIG_{name}=y" in (source / ".config").read_text()
    goals = (source / "goals.log").read_text()
    with built_tree(builds[1]):
        assert (source / "goals.log").read_text() == goals


def _error(folder: Path, source: Release | Checkout) -> str:
    with pytest.raises(SsiumlError) as error:
        _built(folder, source)
    assert not (folder / "tree/prepared").exists()
    return str(error.value)


def test_a_linux_that_the_release_is_not_for_is_an_error(
    tmp_path: Path, release: Release, cvs_base: Path
) -> None:
    message = _error(tmp_path, replace(release, base=cvs_base))
    assert f"kernel.base is Linux 2.4.18, Linux 2.4.16 is needed: kernel.ssi is {release.ssi_name}" in message
    assert "linux-2.4.16.tar.bz2" in message


def test_a_release_whose_name_has_no_version_is_an_error(tmp_path: Path, release: Release) -> None:
    message = _error(tmp_path, replace(release, ssi_name="ssi.tar.bz2"))
    assert "kernel.ssi: the name 'ssi.tar.bz2' does not tell its version of Linux" in message


def test_checkouts_of_different_versions_are_an_error(tmp_path: Path, cvs_base: Path) -> None:
    message = _error(tmp_path, _checkout(tmp_path, cvs_base, ci_sublevel=17))
    assert "ssi-kernel/Makefile is of 2.4.18-22um" in message
    assert "ci-kernel/Makefile of 2.4.17-22um" in message
    assert "update both" in message


def test_a_linux_that_the_checkouts_are_not_for_is_an_error(tmp_path: Path, release: Release) -> None:
    message = _error(tmp_path, _checkout(tmp_path, release.base))
    assert "kernel.base is Linux 2.4.16, Linux 2.4.18 is needed" in message


def test_a_uml_patch_that_fails_outside_the_makefile_is_an_error_that_shows_the_hunk(
    tmp_path: Path, cvs_base: Path
) -> None:
    message = _error(tmp_path, _checkout(tmp_path, cvs_base, uml_changes="init/main.c"))
    assert f"{linux24.UML_PATCH}: does not fit this source: init/main.c" in message
    assert "+int uml;" in message


def test_a_patch_that_is_not_in_the_checkout_is_an_error_that_lists_those_that_are(
    tmp_path: Path, cvs_base: Path
) -> None:
    message = _error(tmp_path, replace(_checkout(tmp_path, cvs_base), patches=("other.patch",)))
    assert "3rd-party: has no patch 'other.patch'; it has" in message
    assert linux24.FURTHER_PATCH in message


@pytest.mark.parametrize("name", ["ssi-kernel", "ci-kernel"])
def test_a_checkout_without_a_makefile_is_an_error(tmp_path: Path, cvs_base: Path, name: str) -> None:
    chosen = _checkout(tmp_path, cvs_base)
    (next(tmp_path.glob(f"*/{name}")) / "Makefile").unlink()
    assert f"{name}/Makefile: there is no such file" in _error(tmp_path, chosen)


def test_an_archive_that_holds_no_linux_is_an_error(tmp_path: Path, release: Release) -> None:
    assert "has no folder with a Makefile in it" in _error(tmp_path, replace(release, base=release.ssi))


def test_a_release_without_config_uml_is_an_error_that_names_the_key_to_set(
    tmp_path: Path, release: Release
) -> None:
    linux24.make_release(release.ssi, config=False)
    with pytest.raises(SsiumlError, match=r"config\.uml: there is no such file") as error:
        _built(tmp_path, release)
    assert error.value.hint == "set kernel.config to a configuration"


def test_a_kernel_for_another_machine_is_refused(tmp_path: Path, release: Release) -> None:
    build = _build(tmp_path, release)
    with build.prepared():
        (build.tree.source / "stand-in.elf").write_bytes(Path("/bin/true").read_bytes())
    with pytest.raises(SsiumlError, match="is no program for 32-bit PCs"):
        get_or_build(Cache(tmp_path / "cache"), build)


def test_the_first_error_of_the_compiler_is_in_the_message(tmp_path: Path, release: Release) -> None:
    build = _build(tmp_path, release)
    with build.prepared():
        (build.tree.source / "init/main.c").write_text("int ssi_init(void)\n{\n\treturn undeclared;\n}\n")
    with pytest.raises(SsiumlError) as error:
        get_or_build(Cache(tmp_path / "cache"), build)
    assert "init/main.c:3:" in str(error.value)
    assert "undeclared" in (tmp_path / "kernel.log").read_text()


def test_an_interrupted_unpacking_is_started_again(tmp_path: Path, release: Release) -> None:
    tree = SourceTree(tmp_path / "tree")
    tree.source.mkdir(parents=True)
    (tree.source / "half").touch()
    _built(tmp_path, release)
    assert not (tree.source / "half").exists()
