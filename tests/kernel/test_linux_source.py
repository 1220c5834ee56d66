"""The build of today's kernel, with a small stand-in for its source. test_pids.py boots the real one."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkouts import Checkout
from linux_source_package import PATCH, make_package
from odd_names import PRINTABLE
from processes import wait_until
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache, Entry
from ssiuml.host.digests import file_sha256
from ssiuml.kernel.linux_source import SourceBuild, get_or_build
from ssiuml.kernel.packed import PROGRAM
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Tree

MODULES = "usr/lib/uml/modules/6.1.192-ssi"


@pytest.fixture
def build(tmp_path: Path) -> SourceBuild:
    package = make_package(tmp_path / "package")
    patches = tmp_path / "patches"
    patches.mkdir()
    (patches / "series").write_text("super.patch\n")
    (patches / "super.patch").write_text(PATCH)
    config = tmp_path / "config.um"
    config.write_text("CONFIG_GFS2_FS=y\n")
    return SourceBuild(
        package=package,
        package_sha256=file_sha256(package),
        patches=patches,
        config=(config,),
        epoch=1700000000,
        tree=SourceTree(tmp_path / "tree"),
        log=tmp_path / "kernel.log",
        distcc=False,
    )


def _built(build: SourceBuild) -> Entry:
    return get_or_build(Cache(build.log.parent / "cache"), build)


def _tree(entry: Entry) -> Tree:
    return merge([read_layer(entry.path)])


def test_the_kernel_is_patched_and_configured_and_reports_its_build_time(build: SourceBuild) -> None:
    entry = _built(build)
    assert entry.facts == {"version": "6.1.192-ssi"}
    tree = _tree(entry)
    program = tree.lookup(PROGRAM)
    assert program.meta.mode == 0o755
    assert b"patched" in program.read()
    assert program.read().endswith(b"Tue Nov 14 22:13:20 UTC 2023 ssiuml@ssiuml\n")
    assert tree.lookup(f"{MODULES}/config").read() == b"CONFIG_UML=y\nCONFIG_GFS2_FS=y\n"
    assert tree.lookup(f"{MODULES}/kernel/fs/fuse.ko").read() == b"fuse\n"
    # The links into the source tree are left out.
    assert not {"build", "source"} & set(tree.children(MODULES))


def test_another_folder_and_umask_give_the_same_kernel(build: SourceBuild, tmp_path: Path) -> None:
    first = _built(build)
    old = os.umask(0o077)
    try:
        again = replace(build, tree=SourceTree(tmp_path / "other"), log=tmp_path / "other.d/kernel.log")
        second = _built(again)
    finally:
        os.umask(old)
    assert second.path != first.path
    assert second.sha256 == first.sha256


def test_a_kernel_is_built_once_for_the_same_inputs(build: SourceBuild) -> None:
    first = _built(build)
    build.log.unlink()
    assert _built(build) == first
    assert not build.log.exists()


def test_a_changed_option_compiles_only_what_make_compiles(build: SourceBuild) -> None:
    _built(build)
    build.config[0].write_text("CONFIG_GFS2_FS=m\n")
    entry = _built(build)
    assert b"CONFIG_GFS2_FS=m" in _tree(entry).lookup(f"{MODULES}/config").read()
    assert "  CC" not in build.log.read_text()


def test_a_changed_patch_unpacks_the_source_again(build: SourceBuild) -> None:
    _built(build)
    assert build.patches is not None
    (build.patches / "super.patch").write_text(PATCH.replace("patched", "otherwise"))
    program = _tree(_built(build)).lookup(PROGRAM).read()
    assert b"otherwise" in program
    assert b"patched" not in program


def test_an_option_with_another_value_in_the_end_is_an_error_before_anything_is_compiled(
    build: SourceBuild,
) -> None:
    build.config[0].write_text("CONFIG_GFS2_FS=y\nCONFIG_NO_SUCH=y\n")
    with pytest.raises(SsiumlError, match=r"config\.um:2: CONFIG_NO_SUCH=y did not stick, it is n"):
        _built(build)
    assert not build.log.exists()


def test_a_patch_that_does_not_fit_is_shown_and_the_next_build_unpacks_again(build: SourceBuild) -> None:
    assert build.patches is not None
    (build.patches / "super.patch").write_text(PATCH.replace("-int super;", "-int other;"))
    with pytest.raises(SsiumlError) as error:
        _built(build)
    assert "super.patch: does not fit this source: fs/super.c" in str(error.value)
    assert "-int other;" in str(error.value)
    (build.patches / "super.patch").write_text(PATCH)
    assert b"patched" in _tree(_built(build)).lookup(PROGRAM).read()


def test_the_error_of_the_compiler_is_quoted_with_the_log(build: SourceBuild, tmp_path: Path) -> None:
    package = make_package(tmp_path / "broken", {"fs/inode.c": "int inode(void)\n{\n\treturn other;\n}\n"})
    with pytest.raises(SsiumlError) as error:
        _built(replace(build, package=package, package_sha256=file_sha256(package)))
    assert "fs/inode.c:3:" in str(error.value)
    assert "return other;" in str(error.value)
    assert str(build.log) in str(error.value)


@pytest.mark.parametrize(
    "name", ["linux-source-6.1.tar.xz", "Kbuild"], ids=["without an archive", "without a kernel in it"]
)
def test_a_package_without_a_source_is_an_error(build: SourceBuild, tmp_path: Path, name: str) -> None:
    package = make_package(tmp_path / "wrong")
    root = tmp_path / "wrong" / "root"
    if name == "Kbuild":
        (tmp_path / "wrong/linux-source-6.1/Kbuild").unlink()
        archive = root / "usr/src/linux-source-6.1.tar.xz"
        subprocess.run(["tar", "-C", tmp_path / "wrong", "-cJf", archive, "linux-source-6.1"], check=True)
    else:
        (root / "usr/src" / name).unlink()
    words = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(package)]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(SsiumlError, match=re.escape(str(package))):
        _built(replace(build, package=package, package_sha256=file_sha256(package)))


SCRIPT = """\
import sys
from pathlib import Path
sys.path.insert(0, {project!r})
from ssiuml.host.cache import Cache
from ssiuml.kernel.linux_source import SourceBuild, get_or_build
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.host.digests import file_sha256
package, folder = Path({package!r}), Path({folder!r})
get_or_build(Cache(folder / "cache"), SourceBuild(
    package=package, package_sha256=file_sha256(package), patches=None, config=(), epoch=0,
    tree=SourceTree(folder / "tree"), log=folder / "kernel.log", distcc=False))
"""


def test_a_build_that_was_killed_continues(build: SourceBuild, tmp_path: Path) -> None:
    """Compiling the second file waits for a FIFO. The build is killed there; then the FIFO is removed."""
    makefile = (
        (tmp_path / "package/linux-source-6.1/Makefile")
        .read_text()
        .replace(
            "\t@gcc -c", "\t@[ $* = inode ] || [ ! -p $(O)/../../wait ] || cat $(O)/../../wait\n\t@gcc -c"
        )
    )
    package = make_package(tmp_path / "slow", {"Makefile": makefile})
    wait = tmp_path / "wait"
    os.mkfifo(wait)
    text = SCRIPT.format(project=str(PROJECT), package=str(package), folder=str(tmp_path))
    first = tmp_path / "tree" / "build" / "inode.o"
    with subprocess.Popen([sys.executable, "-c", text]) as process:
        wait_until(first.with_suffix(".done").is_file, "the first file is compiled")
        process.send_signal(signal.SIGKILL)
    compiled_ns = first.stat().st_mtime_ns
    wait.unlink()
    subprocess.run([sys.executable, "-c", text], check=True, timeout=120)
    assert first.stat().st_mtime_ns == compiled_ns
    assert len(list((tmp_path / "cache" / "kernel").glob("*.tar"))) == 1
    # The killed build's temporary files are removed, too.
    names = {path.name for path in (tmp_path / "tree").iterdir()}
    assert names <= {"source", "build", "prepared", "steps.json"}


def test_variables_of_the_callers_shell_do_not_reach_make(
    build: SourceBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _built(build)
    for name in ("KBUILD_EXTMOD", "CFLAGS", "MAKEFLAGS", "LOCALVERSION", "KBUILD_BUILD_USER", "MAKEFILES"):
        monkeypatch.setenv(name, "/nowhere")
    again = replace(build, tree=SourceTree(build.log.parent / "other"), log=build.log.parent / "x" / "log")
    assert _built(again).sha256 == first.sha256


def test_any_name_of_cache_and_recipes_gives_the_same_kernel(build: SourceBuild, tmp_path: Path) -> None:
    first = _built(build)
    odd = tmp_path / "".join(PRINTABLE)
    odd.mkdir()
    config = build.config[0].rename(odd / "config um")
    assert build.patches is not None
    patches = build.patches.rename(odd / "my patches")
    tree = SourceTree(odd / "my trees")
    again = replace(build, tree=tree, config=(config,), patches=patches, log=odd / "kernel.log")
    assert _built(again).sha256 == first.sha256


def test_the_error_for_a_missing_fragment_names_it(build: SourceBuild, tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match=r"kernel\.config: there is no file .*/none"):
        _built(replace(build, config=(tmp_path / "none",)))


def test_the_error_for_a_version_that_the_mirrors_lack_lists_those_that_they_have(built: Checkout) -> None:
    text = "description: for a test\nextends: bookworm-ssi\nkernel: {version: 6.1.1-1}\n"
    outcome = built.write_recipe("pinned", text).doit("fetch")
    assert outcome.status == 1
    assert "recipes/pinned.yaml:3: kernel.version: linux-source-6.1 is not there in version 6.1.1-1" in (
        outcome.output
    )
    assert re.search(r"set distribution\.snapshot .*, or take one of 6\.1\.\d+-\d+", outcome.output)
    assert "Traceback" not in outcome.output
