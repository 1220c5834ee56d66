"""`make install` and `make uninstall` in an unpacked tarball."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from files_on_disk import du_bytes, listing, same_files, write_files
from programs import AS_NOBODY, LIMIT_S, output_of
from tarball_folders import (
    KERNEL,
    KERNEL_FILES,
    ROOT,
    UTILS,
    UTILS_FILES,
    finish,
    make,
    make_fails,
    make_succeeds,
    stage,
)

from ssiuml.release.tarball import compressor, write_tarball


def _visible(prefix: Path) -> list[str]:
    """The installed files and folders, without the notes of setup."""
    notes = (".created", ".files.")
    return [line for line in listing(prefix) if not line.split("/")[-1].startswith(notes)]


INSTALLED_UTILS = [
    "d 755 bin",
    "d 755 lib",
    "d 755 lib/ssiuml",
    "d 755 lib/ssiuml/python",
    "d 755 lib/ssiuml/python/ssiuml",
    "d 755 lib/ssiuml/python/ssiuml/cli",
    "d 755 share",
    "d 755 share/doc",
    "d 755 share/doc/ssiuml-utils",
    "f 644 lib/ssiuml/python/sh.py",
    "f 644 lib/ssiuml/python/ssiuml/__init__.py",
    "f 644 lib/ssiuml/python/ssiuml/cli/__init__.py",
    "f 644 share/doc/ssiuml-utils/README",
    "f 644 share/doc/ssiuml-utils/copyright",
    "f 755 bin/ssi-start",
    "f 755 bin/ssi-stop",
]


def test_the_commands_are_installed_with_their_permissions(unpacked: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "new" / "prefix"
    assert f"{UTILS}: installed in" in make_succeeds(unpacked / UTILS, "install", f"PREFIX={prefix}")
    assert _visible(prefix) == INSTALLED_UTILS
    assert output_of(prefix / "bin" / "ssi-start") == "started\n"
    for name in UTILS_FILES:
        assert (prefix / name).read_bytes() == UTILS_FILES[name]


def test_a_private_umask_does_not_change_the_permissions(unpacked: Path, tmp_path: Path) -> None:
    write_tarball(tmp_path / "x.tar", unpacked / UTILS, 0, compressor("zst"))
    private = ["sh", "-c", 'umask 077 && tar -C "$1" -xf "$2"', "sh"]
    # tar applies the umask for an ordinary user only, so root has to take the permissions away.
    output_of(*private, tmp_path, tmp_path / "x.tar")
    output_of("chmod", "-R", "go-rwx", tmp_path / UTILS)
    make_succeeds(tmp_path / UTILS, "install", f"PREFIX={tmp_path / 'prefix'}", umask=0o077)
    assert _visible(tmp_path / "prefix") == INSTALLED_UTILS
    assert (tmp_path / "prefix").stat().st_mode & 0o777 == 0o755


def test_the_root_stays_sparse_and_has_a_manifest(unpacked: Path, tmp_path: Path) -> None:
    make_succeeds(unpacked / ROOT, "install", f"PREFIX={tmp_path}")
    installed = tmp_path / "lib/ssiuml/small"
    names = {"root_fs", "initrd-ssi.img", "manifest.json", "manifest.txt"}
    assert {path.name for path in installed.iterdir()} == names
    assert same_files(installed / "root_fs", unpacked / ROOT / "root_fs")
    before, after = du_bytes(unpacked / ROOT / "root_fs"), du_bytes(installed / "root_fs")
    assert abs(after - before) <= 0.05 * before
    assert json.loads((installed / "manifest.json").read_text()) == {}


def test_the_kernel_is_installed_in_a_folder_of_its_own(unpacked: Path, tmp_path: Path) -> None:
    make_succeeds(unpacked / KERNEL, "install", f"PREFIX={tmp_path}")
    installed = tmp_path / "lib/ssiuml" / KERNEL
    found = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert found == set(KERNEL_FILES)
    assert os.access(installed / "linux-ssi", os.X_OK)
    assert (installed / "config").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "name", ["with two  blanks", "it's", 'quo"ted', "R&D", "a|b", "back\\nslash", "*", "[a]", "a;b", "\u00fc"]
)
def test_prefix_and_destdir_may_have_any_name(unpacked: Path, tmp_path: Path, name: str) -> None:
    for variables in ([f"PREFIX={tmp_path / name}"], ["PREFIX=/usr", f"DESTDIR={tmp_path / name}"]):
        make_succeeds(unpacked / UTILS, "install", *variables)
        assert (tmp_path / name).is_dir()
        assert output_of(next((tmp_path / name).rglob("ssi-start"))) == "started\n"
        make_succeeds(unpacked / UTILS, "uninstall", *variables)
        assert not list((tmp_path / name).glob("*"))
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        assert list(tmp_path.iterdir()) == []


def test_files_installed_in_destdir_can_be_removed_where_they_are_moved_to(
    unpacked: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "real"
    make_succeeds(unpacked / UTILS, "install", f"PREFIX={prefix}", f"DESTDIR={tmp_path / 'dest'}")
    assert not prefix.exists()
    shutil.move(tmp_path / "dest" / prefix.relative_to("/"), prefix)
    assert _visible(prefix) == INSTALLED_UTILS
    make_succeeds(unpacked / UTILS, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


def test_a_relative_prefix_is_refused(unpacked: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unpacked / UTILS, tmp_path / UTILS)
    before = listing(tmp_path)
    assert "PREFIX=some/where: must begin with /" in make_fails(folder, "install", "PREFIX=some/where")
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", [ROOT, KERNEL, UTILS])
def test_a_second_installation_changes_nothing_and_can_be_removed(
    unpacked: Path, tmp_path: Path, name: str
) -> None:
    prefix = f"PREFIX={tmp_path / 'prefix'}"
    make_succeeds(unpacked / name, "install", prefix)
    once = listing(tmp_path)
    make_succeeds(unpacked / name, "install", prefix)
    assert listing(tmp_path) == once
    make_succeeds(unpacked / name, "uninstall", prefix)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_release_replaces_an_older_one(unpacked: Path, tmp_path: Path) -> None:
    new = tmp_path / "ssiuml-utils-0.2-1"
    files = {**UTILS_FILES, "bin/ssi-new": b"#!/bin/sh\n", "lib/ssiuml/python/sh.py": b"x = 2\n"}
    del files["bin/ssi-stop"], files["lib/ssiuml/python/ssiuml/cli/__init__.py"]
    write_files(new, files)
    finish(new, ".", "README-utils")
    prefix = tmp_path / "prefix"
    make_succeeds(unpacked / UTILS, "install", f"PREFIX={prefix}")
    write_files(prefix / "lib/ssiuml/python/ssiuml/cli/__pycache__", {"__init__.cpython-311.pyc": b""})
    kept = prefix / "lib/ssiuml/python/sh.py"
    running = kept.open("rb")
    make_succeeds(new, "install", f"PREFIX={prefix}")
    with running:
        assert running.read() == b"x = 1\n", "a file in use was overwritten"
    found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {name for name in found if "/." not in name} == set(files)
    assert kept.read_bytes() == b"x = 2\n"
    make_succeeds(new, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


def test_another_root_of_the_same_recipe_replaces_it(unpacked: Path, tmp_path: Path) -> None:
    new = tmp_path / "ssiuml-root-0.2-1"
    write_files(new, {"manifest.json": b'{"new": 1}\n', "root_fs": b"new", "root_cidev": b"x"})
    finish(new, "lib/ssiuml/small", "README-root")
    prefix = tmp_path / "prefix"
    make_succeeds(unpacked / ROOT, "install", f"PREFIX={prefix}")
    make_succeeds(new, "install", f"PREFIX={prefix}")
    installed = prefix / "lib/ssiuml/small"
    names = ["manifest.json", "root_cidev", "root_fs"]
    assert sorted(path.name for path in installed.iterdir()) == names
    assert (installed / "root_fs").read_bytes() == b"new"
    # The folder of the older release knows where the newer one lies.
    make_succeeds(unpacked / ROOT, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


@pytest.mark.parametrize("order", list(itertools.permutations([ROOT, KERNEL, UTILS])))
def test_all_three_can_be_removed_in_any_order(
    unpacked: Path, tmp_path: Path, order: tuple[str, ...]
) -> None:
    prefix = tmp_path / "deep" / "er" / "prefix"
    for name, spelled in ((UTILS, prefix), (ROOT, f"{prefix}/"), (KERNEL, prefix)):
        make_succeeds(unpacked / name, "install", f"PREFIX={spelled}")
    for name in ("lib/ssiuml/python", "lib/ssiuml/python/ssiuml/cli"):
        write_files(prefix / name / "__pycache__", {"x.cpython-311.pyc": b""})
    for number, name in enumerate(order, start=1):
        assert f"{name}: removed from {prefix}" in make_succeeds(
            unpacked / name, "uninstall", f"PREFIX={prefix}"
        )
        assert prefix.exists() == (number < len(order))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["", "lib", "lib/ssiuml", "share/doc", "bin"])
@pytest.mark.parametrize("foreign", [True, False], ids=["with a file", "empty"])
def test_existing_folders_and_foreign_files_stay(
    unpacked: Path, tmp_path: Path, there: str, foreign: bool
) -> None:
    prefix = tmp_path / "prefix"
    (prefix / there).mkdir(parents=True)
    if foreign:
        (prefix / there / "mine").write_text("mine")
    before = listing(tmp_path)
    for target, names in (("install", (UTILS, ROOT)), ("uninstall", (UTILS, ROOT))):
        for name in names:
            make_succeeds(unpacked / name, target, f"PREFIX={prefix}")
    assert listing(tmp_path) == before


def test_a_foreign_file_in_an_installed_folder_stays(unpacked: Path, tmp_path: Path) -> None:
    make_succeeds(unpacked / ROOT, "install", f"PREFIX={tmp_path / 'prefix'}")
    mine = tmp_path / "prefix/lib/ssiuml/small/mine"
    mine.write_text("mine")
    make_succeeds(unpacked / ROOT, "uninstall", f"PREFIX={tmp_path / 'prefix'}")
    assert [path for path in (tmp_path / "prefix").rglob("*") if path.is_file()] == [mine]


def test_a_release_that_is_not_installed_cannot_be_removed(unpacked: Path, tmp_path: Path) -> None:
    make_succeeds(unpacked / UTILS, "install", f"PREFIX={tmp_path}")
    said = make_fails(unpacked / ROOT, "uninstall", f"PREFIX={tmp_path}")
    assert f"{ROOT}: is not installed in {tmp_path}" in said
    assert _visible(tmp_path) == INSTALLED_UTILS


def test_an_incomplete_folder_leaves_no_manifest(unpacked: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unpacked / ROOT, tmp_path / ROOT)
    prefix = tmp_path / "prefix"
    make_succeeds(folder, "install", f"PREFIX={prefix}")
    (folder / "root_fs").unlink()
    assert "root_fs" in make_fails(folder, "install", f"PREFIX={prefix}")
    assert not (prefix / "lib/ssiuml/small/manifest.json").exists()


# Instead of cp: it reports its start, copies, and waits to be killed.
_SLOW_COPY = """\
#!/bin/sh
echo begun >"$BEGUN"
/bin/cp "$@" && exec sleep 300
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_installation_leaves_no_manifest_and_can_be_removed(
    unpacked: Path, tmp_path: Path, how: signal.Signals
) -> None:
    prefix, begun = tmp_path / "prefix", tmp_path / "begun"
    make_succeeds(unpacked / ROOT, "install", f"PREFIX={prefix}")
    manifest = prefix / "lib/ssiuml/small/manifest.json"
    assert manifest.exists()
    write_files(tmp_path / "slow", {"cp": _SLOW_COPY.encode()}, 0o755)
    making = subprocess.Popen(
        ["make", "-C", unpacked / ROOT, "install", f"PREFIX={prefix}"],
        env={**os.environ, "PATH": f"{tmp_path / 'slow'}:{os.environ['PATH']}", "BEGUN": str(begun)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + LIMIT_S
    while not begun.exists():
        assert time.monotonic() < end, "copying did not begin"
        assert making.poll() is None, "make ended before it copied"
        time.sleep(0.01)
    os.killpg(making.pid, how)
    assert making.wait(LIMIT_S) != 0
    assert not manifest.exists()
    make_succeeds(unpacked / ROOT, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its privileges; others run all tests so")
def test_an_ordinary_user_installs_at_home_and_is_refused_elsewhere() -> None:
    # Not below tmp_path: only the user who runs the tests may enter its parents.
    with tempfile.TemporaryDirectory(prefix="ssiuml-user.") as name:
        base = Path(name)
        for each in (ROOT, UTILS):
            stage(base / each)
        base.chmod(0o755)
        (base / "home").mkdir(mode=0o777)
        (base / "home").chmod(0o777)
        for each in (ROOT, UTILS):
            make_succeeds(base / each, "install", f"PREFIX={base}/home/ssi", umask=0o077, before=AS_NOBODY)
        assert output_of(*AS_NOBODY, base / "home/ssi/bin/ssi-start") == "started\n"
        done = make(base / UTILS, "install", f"PREFIX={base}/ssi", before=AS_NOBODY)
        assert done.returncode == 2
        assert "Permission denied" in done.stderr
        assert not (base / "ssi").exists()
        for each in (ROOT, UTILS):
            make_succeeds(base / each, "check", before=AS_NOBODY)
            make_succeeds(base / each, "uninstall", f"PREFIX={base}/home/ssi", before=AS_NOBODY)
        assert list((base / "home").iterdir()) == []


def test_make_alone_lists_its_targets(unpacked: Path) -> None:
    said = output_of("make", "-C", unpacked / UTILS)
    for target in ("install", "uninstall", "check"):
        assert f"make {target} " in said
