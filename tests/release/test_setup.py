"""What a tarball does when it is unpacked: make install, make uninstall, make check."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from files_on_disk import du_bytes, listing, same_files, sha256sum, write_files, write_sparse
from programs import AS_NOBODY, LIMIT_S, output_of
from project import PROJECT
from signing_keys import gpg_home, gpg_key, signers_file, ssh_key

from ssiuml.release.checksums import NAME as SUMS
from ssiuml.release.checksums import write_checksums
from ssiuml.release.signing import sign
from ssiuml.release.staging import Staging
from ssiuml.release.tarball import compressor, write_tarball
from ssiuml.units import MIB

TEMPLATES = PROJECT / "templates" / "release"
ROOT, KERNEL, UTILS = "ssiuml-root-0.1-1", "linux-ssi-6.1-0.1-1", "ssiuml-utils-0.1-1"
VALUES = {
    "recipe": "small",
    "description": "small",
    "filesystem": "gfs2",
    "node_limit": 3,
    "kernel": KERNEL,
    "tested": "Tested.",
    "version": "6.1",
    "origin": "built",
    "packages": "make",
}
KERNEL_FILES = {
    "linux-ssi": b"\x7fELF",
    "config": b"CONFIG_UML=y\n",
    "modules/6.1/kernel/fs/fuse.ko": b"ko",
    "modules/6.1/modules.dep": b"",
    "patches/series": b"",
    "copyright": b"GPL\n",
}
UTILS_FILES = {
    "bin/ssi-start": b"#!/bin/sh\necho started\n",
    "bin/ssi-stop": b"#!/bin/sh\n",
    "lib/ssiuml/python/ssiuml/__init__.py": b"",
    "lib/ssiuml/python/ssiuml/cli/__init__.py": b"",
    "lib/ssiuml/python/sh.py": b"x = 1\n",
    "share/doc/ssiuml-utils/copyright": b"GPL\n",
    "share/doc/ssiuml-utils/README": b"of the documents\n",
}


def _root_files(folder: Path) -> None:
    write_files(folder, {"manifest.json": b"{}\n", "manifest.txt": b"x\n", "initrd-ssi.img": b"i" * 5000})
    pieces = [(at * MIB + 777, bytes(range(1, 256)) * 2000) for at in (0, 7, 33)]
    write_sparse(folder / "root_fs", 64 * MIB, *pieces)


def _stage(folder: Path) -> Path:
    """Make one of the three tarballs' folders, by its name."""
    folder.mkdir(parents=True)
    if folder.name.startswith("ssiuml-root"):
        _root_files(folder)
        where, readme = "lib/ssiuml/small", "README-root"
    elif folder.name.startswith("linux"):
        write_files(folder, KERNEL_FILES)
        (folder / "linux-ssi").chmod(0o755)
        where, readme = f"lib/ssiuml/{folder.name}", "README-kernel"
    else:
        write_files(folder, UTILS_FILES)
        where, readme = ".", "README-utils"
    _finish(folder, where, readme)
    return folder


def _finish(folder: Path, where: str, readme: str) -> None:
    Staging(folder, where, TEMPLATES, 1_000_000_000).finish(readme, VALUES)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three folders; not to be changed."""
    base = tmp_path_factory.mktemp("unpacked")
    for name in (ROOT, KERNEL, UTILS):
        _stage(base / name)
    return base


def _make(
    folder: Path, target: str, *variables: str, umask: int = 0o022, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, "make", "-C", folder, target, *variables],
        capture_output=True, text=True, check=False, timeout=LIMIT_S, umask=umask,
    )  # fmt: skip


def _good(folder: Path, target: str, *variables: str, umask: int = 0o022, before: Sequence[str] = ()) -> str:
    done = _make(folder, target, *variables, umask=umask, before=before)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _bad(folder: Path, target: str, *variables: str) -> str:
    """What a call that has to fail says."""
    done = _make(folder, target, *variables)
    assert done.returncode == 2, done.stdout
    return done.stderr


def _visible(prefix: Path) -> list[str]:
    """What is installed, without what setup notes for itself."""
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
    assert f"{UTILS}: installed in" in _good(unpacked / UTILS, "install", f"PREFIX={prefix}")
    assert _visible(prefix) == INSTALLED_UTILS
    assert output_of(prefix / "bin" / "ssi-start") == "started\n"
    for name in UTILS_FILES:
        assert (prefix / name).read_bytes() == UTILS_FILES[name]


def test_a_private_umask_does_not_show(unpacked: Path, tmp_path: Path) -> None:
    write_tarball(tmp_path / "x.tar", unpacked / UTILS, 0, compressor("zst"))
    private = ["sh", "-c", 'umask 077 && tar -C "$1" -xf "$2"', "sh"]
    # As an ordinary user tar goes by the umask, root's takes the modes as they are.
    output_of(*private, tmp_path, tmp_path / "x.tar")
    output_of("chmod", "-R", "go-rwx", tmp_path / UTILS)
    _good(tmp_path / UTILS, "install", f"PREFIX={tmp_path / 'prefix'}", umask=0o077)
    assert _visible(tmp_path / "prefix") == INSTALLED_UTILS
    assert (tmp_path / "prefix").stat().st_mode & 0o777 == 0o755


def test_the_root_stays_sparse_and_is_known_by_its_manifest(unpacked: Path, tmp_path: Path) -> None:
    _good(unpacked / ROOT, "install", f"PREFIX={tmp_path}")
    installed = tmp_path / "lib/ssiuml/small"
    names = {"root_fs", "initrd-ssi.img", "manifest.json", "manifest.txt"}
    assert {path.name for path in installed.iterdir()} == names
    assert same_files(installed / "root_fs", unpacked / ROOT / "root_fs")
    before, after = du_bytes(unpacked / ROOT / "root_fs"), du_bytes(installed / "root_fs")
    assert abs(after - before) <= 0.05 * before
    assert json.loads((installed / "manifest.json").read_text()) == {}


def test_the_kernel_is_installed_in_a_folder_of_its_own(unpacked: Path, tmp_path: Path) -> None:
    _good(unpacked / KERNEL, "install", f"PREFIX={tmp_path}")
    installed = tmp_path / "lib/ssiuml" / KERNEL
    found = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert found == set(KERNEL_FILES)
    assert os.access(installed / "linux-ssi", os.X_OK)
    assert (installed / "config").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "name", ["with two  blanks", "it's", 'quo"ted', "R&D", "a|b", "back\\nslash", "*", "[a]", "a;b", "\u00fc"]
)
def test_any_name_will_do_for_prefix_and_destdir(unpacked: Path, tmp_path: Path, name: str) -> None:
    for variables in ([f"PREFIX={tmp_path / name}"], ["PREFIX=/usr", f"DESTDIR={tmp_path / name}"]):
        _good(unpacked / UTILS, "install", *variables)
        assert (tmp_path / name).is_dir()
        assert output_of(next((tmp_path / name).rglob("ssi-start"))) == "started\n"
        _good(unpacked / UTILS, "uninstall", *variables)
        assert not list((tmp_path / name).glob("*"))
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        assert list(tmp_path.iterdir()) == []


def test_what_is_installed_in_destdir_can_be_removed_where_it_is_moved_to(
    unpacked: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "real"
    _good(unpacked / UTILS, "install", f"PREFIX={prefix}", f"DESTDIR={tmp_path / 'dest'}")
    assert not prefix.exists()
    shutil.move(tmp_path / "dest" / prefix.relative_to("/"), prefix)
    assert _visible(prefix) == INSTALLED_UTILS
    _good(unpacked / UTILS, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


def test_a_relative_prefix_is_refused(unpacked: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unpacked / UTILS, tmp_path / UTILS)
    before = listing(tmp_path)
    assert "PREFIX=some/where: has to begin with /" in _bad(folder, "install", "PREFIX=some/where")
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", [ROOT, KERNEL, UTILS])
def test_installed_twice_it_is_the_same_and_removed_as_easily(
    unpacked: Path, tmp_path: Path, name: str
) -> None:
    prefix = f"PREFIX={tmp_path / 'prefix'}"
    _good(unpacked / name, "install", prefix)
    once = listing(tmp_path)
    _good(unpacked / name, "install", prefix)
    assert listing(tmp_path) == once
    _good(unpacked / name, "uninstall", prefix)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_release_replaces_an_older_one(unpacked: Path, tmp_path: Path) -> None:
    new = tmp_path / "ssiuml-utils-0.2-1"
    files = {**UTILS_FILES, "bin/ssi-new": b"#!/bin/sh\n", "lib/ssiuml/python/sh.py": b"x = 2\n"}
    del files["bin/ssi-stop"], files["lib/ssiuml/python/ssiuml/cli/__init__.py"]
    write_files(new, files)
    _finish(new, ".", "README-utils")
    prefix = tmp_path / "prefix"
    _good(unpacked / UTILS, "install", f"PREFIX={prefix}")
    write_files(prefix / "lib/ssiuml/python/ssiuml/cli/__pycache__", {"__init__.cpython-311.pyc": b""})
    kept = prefix / "lib/ssiuml/python/sh.py"
    running = kept.open("rb")
    _good(new, "install", f"PREFIX={prefix}")
    with running:
        assert running.read() == b"x = 1\n", "a file in use was written over"
    found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {name for name in found if "/." not in name} == set(files)
    assert kept.read_bytes() == b"x = 2\n"
    _good(new, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


def test_another_root_of_the_same_recipe_replaces_it(unpacked: Path, tmp_path: Path) -> None:
    new = tmp_path / "ssiuml-root-0.2-1"
    write_files(new, {"manifest.json": b'{"new": 1}\n', "root_fs": b"new", "root_cidev": b"x"})
    _finish(new, "lib/ssiuml/small", "README-root")
    prefix = tmp_path / "prefix"
    _good(unpacked / ROOT, "install", f"PREFIX={prefix}")
    _good(new, "install", f"PREFIX={prefix}")
    installed = prefix / "lib/ssiuml/small"
    names = ["manifest.json", "root_cidev", "root_fs"]
    assert sorted(path.name for path in installed.iterdir()) == names
    assert (installed / "root_fs").read_bytes() == b"new"
    # The older one's folder knows where the newer one lies.
    _good(unpacked / ROOT, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


@pytest.mark.parametrize("order", list(itertools.permutations([ROOT, KERNEL, UTILS])))
def test_all_three_can_be_removed_in_any_order(
    unpacked: Path, tmp_path: Path, order: tuple[str, ...]
) -> None:
    prefix = tmp_path / "deep" / "er" / "prefix"
    for name, spelled in ((UTILS, prefix), (ROOT, f"{prefix}/"), (KERNEL, prefix)):
        _good(unpacked / name, "install", f"PREFIX={spelled}")
    for name in ("lib/ssiuml/python", "lib/ssiuml/python/ssiuml/cli"):
        write_files(prefix / name / "__pycache__", {"x.cpython-311.pyc": b""})
    for number, name in enumerate(order, start=1):
        assert f"{name}: removed from {prefix}" in _good(unpacked / name, "uninstall", f"PREFIX={prefix}")
        assert prefix.exists() == (number < len(order))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["", "lib", "lib/ssiuml", "share/doc", "bin"])
@pytest.mark.parametrize("foreign", [True, False], ids=["with a file", "empty"])
def test_folders_that_were_there_and_foreign_files_stay(
    unpacked: Path, tmp_path: Path, there: str, foreign: bool
) -> None:
    prefix = tmp_path / "prefix"
    (prefix / there).mkdir(parents=True)
    if foreign:
        (prefix / there / "mine").write_text("mine")
    before = listing(tmp_path)
    for target, names in (("install", (UTILS, ROOT)), ("uninstall", (UTILS, ROOT))):
        for name in names:
            _good(unpacked / name, target, f"PREFIX={prefix}")
    assert listing(tmp_path) == before


def test_a_file_laid_into_an_installed_folder_stays(unpacked: Path, tmp_path: Path) -> None:
    _good(unpacked / ROOT, "install", f"PREFIX={tmp_path / 'prefix'}")
    mine = tmp_path / "prefix/lib/ssiuml/small/mine"
    mine.write_text("mine")
    _good(unpacked / ROOT, "uninstall", f"PREFIX={tmp_path / 'prefix'}")
    assert [path for path in (tmp_path / "prefix").rglob("*") if path.is_file()] == [mine]


def test_what_is_not_installed_cannot_be_removed(unpacked: Path, tmp_path: Path) -> None:
    _good(unpacked / UTILS, "install", f"PREFIX={tmp_path}")
    said = _bad(unpacked / ROOT, "uninstall", f"PREFIX={tmp_path}")
    assert f"{ROOT}: is not installed in {tmp_path}" in said
    assert _visible(tmp_path) == INSTALLED_UTILS


def test_an_incomplete_folder_leaves_no_manifest(unpacked: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unpacked / ROOT, tmp_path / ROOT)
    prefix = tmp_path / "prefix"
    _good(folder, "install", f"PREFIX={prefix}")
    (folder / "root_fs").unlink()
    assert "root_fs" in _bad(folder, "install", f"PREFIX={prefix}")
    assert not (prefix / "lib/ssiuml/small/manifest.json").exists()


# In the place of cp: says that it begins, and waits to be killed.
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
    _good(unpacked / ROOT, "install", f"PREFIX={prefix}")
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
        assert time.monotonic() < end, "copying does not begin"
        assert making.poll() is None, "make ended before it copied"
        time.sleep(0.01)
    os.killpg(making.pid, how)
    assert making.wait(LIMIT_S) != 0
    assert not manifest.exists()
    _good(unpacked / ROOT, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its privileges; others run all tests so")
def test_an_ordinary_user_installs_at_home_and_is_refused_elsewhere() -> None:
    # Not below tmp_path: its parents are private to the user who runs the tests.
    with tempfile.TemporaryDirectory(prefix="ssiuml-user.") as name:
        base = Path(name)
        for each in (ROOT, UTILS):
            _stage(base / each)
        base.chmod(0o755)
        (base / "home").mkdir(mode=0o777)
        (base / "home").chmod(0o777)
        for each in (ROOT, UTILS):
            _good(base / each, "install", f"PREFIX={base}/home/ssi", umask=0o077, before=AS_NOBODY)
        assert output_of(*AS_NOBODY, base / "home/ssi/bin/ssi-start") == "started\n"
        done = _make(base / UTILS, "install", f"PREFIX={base}/ssi", before=AS_NOBODY)
        assert done.returncode == 2
        assert "Permission denied" in done.stderr
        assert not (base / "ssi").exists()
        for each in (ROOT, UTILS):
            _good(base / each, "check", before=AS_NOBODY)
            _good(base / each, "uninstall", f"PREFIX={base}/home/ssi", before=AS_NOBODY)
        assert list((base / "home").iterdir()) == []


def test_make_alone_tells_what_there_is(unpacked: Path) -> None:
    said = output_of("make", "-C", unpacked / UTILS)
    for target in ("install", "uninstall", "check"):
        assert f"make {target} " in said


# make check


@pytest.fixture
def release(unpacked: Path, tmp_path: Path) -> Path:
    """The commands unpacked beside their tarball and its SHA256SUMS."""
    folder = shutil.copytree(unpacked / UTILS, tmp_path / "release" / UTILS)
    tarball = folder.parent / f"{UTILS}.tar.zst"
    write_tarball(tarball, folder, 0, compressor("zst"))
    digests = {tarball.name: sha256sum(tarball), "other.tar.xz": "0" * 64}
    write_checksums(folder.parent, digests)
    return folder


def _change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def test_what_is_as_it_was_released_passes(release: Path) -> None:
    said = _good(release, "check")
    assert f"{UTILS}: every file is as {SUMS} has it" in said
    assert f"{UTILS}: {UTILS}.tar.zst is as ../{SUMS} has it" in said


@pytest.mark.parametrize("name", ["bin/ssi-start", "setup", "Makefile", "README", SUMS])
def test_a_changed_file_is_found(release: Path, name: str) -> None:
    if name == "setup":  # a comment: it still has to run
        (release / name).write_text((release / name).read_text() + "# changed\n")
    else:
        _change(release / name)
    assert UTILS in _bad(release, "check")


@pytest.mark.parametrize("name", ["bin/ssi-start", "README"])
def test_a_missing_file_is_found(release: Path, name: str) -> None:
    (release / name).unlink()
    assert name in _bad(release, "check")


def _changed_tarball(release: Path) -> None:
    _change(release.with_name(f"{UTILS}.tar.zst"))


def _tarball_of_another(release: Path) -> None:
    """Another tarball under the same name, which SHA256SUMS lists."""
    other = release.parent / "elsewhere" / UTILS
    write_files(other, {**UTILS_FILES, "bin/ssi-start": b"#!/bin/sh\nrm -rf ~\n"})
    _finish(other, ".", "README-utils")
    tarball = release.with_name(f"{UTILS}.tar.zst")
    write_tarball(tarball, other, 0, compressor("zst"))
    write_checksums(release.parent, {tarball.name: sha256sum(tarball)})


def _not_listed(release: Path) -> None:
    write_checksums(release.parent, {"other.tar.xz": "0" * 64, f"{UTILS}.tar.zst.old": "0" * 64})


def _listed_under_a_longer_name(release: Path) -> None:
    tarball = release.with_name(f"{UTILS}.tar.zst")
    write_checksums(release.parent, {f"{tarball.name}.old": sha256sum(tarball)})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_changed_tarball, f"{UTILS}.tar.zst is not as ../{SUMS} has it"),
        (_tarball_of_another, f"was not unpacked from {UTILS}.tar.zst"),
        (_not_listed, f"{UTILS}.tar.zst is not as ../{SUMS} has it"),
        (_listed_under_a_longer_name, f"{UTILS}.tar.zst is not as ../{SUMS} has it"),
    ],
)
def test_a_tarball_beside_that_is_another_is_found(
    release: Path, harm: Callable[[Path], None], said: str
) -> None:
    harm(release)
    assert said in _bad(release, "check")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return ssh_key(tmp_path / "key")


def test_a_good_signature_of_a_known_signer_passes(release: Path, tmp_path: Path, key: Path) -> None:
    sign(release.with_name(SUMS), str(key))
    signers = signers_file(tmp_path / "signers of mine", me=key)
    assert 'Good "ssiuml-release" signature for me@example.org' in _good(
        release, "check", f"SIGNERS={signers}"
    )


def test_without_signers_a_good_signature_passes_and_it_is_said_what_that_means(
    release: Path, key: Path
) -> None:
    sign(release.with_name(SUMS), str(key))
    assert "SIGNERS=FILE" in _good(release, "check")


@pytest.mark.parametrize("known", [True, False], ids=["signers", "no signers"])
def test_a_signature_of_another_list_is_found(release: Path, tmp_path: Path, key: Path, known: bool) -> None:
    sign(release.with_name(SUMS), str(key))
    with release.with_name(SUMS).open("a") as stream:
        stream.write(f"{'1' * 64}  more.tar.xz\n")
    variables = [f"SIGNERS={signers_file(tmp_path / 'signers', me=key)}"] if known else []
    assert f"../{SUMS}.sig is" in _bad(release, "check", *variables)


def test_a_signature_by_nobody_known_is_found(release: Path, tmp_path: Path, key: Path) -> None:
    sign(release.with_name(SUMS), str(key))
    signers = signers_file(tmp_path / "signers", them=ssh_key(tmp_path / "other"))
    assert f"by nobody in {signers}" in _bad(release, "check", f"SIGNERS={signers}")
    assert "by nobody in" in _bad(release, "check", f"SIGNERS={tmp_path / 'absent'}")


def test_a_missing_signature_is_found_where_signers_are_known(
    release: Path, tmp_path: Path, key: Path
) -> None:
    signers = signers_file(tmp_path / "signers", me=key)
    assert "is not signed" in _bad(release, "check", f"SIGNERS={signers}")


def test_signatures_of_gpg_are_checked(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gpg_home(tmp_path / "gnupg") as environ:
        monkeypatch.setenv("GNUPGHOME", environ["GNUPGHOME"])
        fingerprint = gpg_key(environ, "Someone <someone@example.org>")
        sign(release.with_name(SUMS), f"gpg:{fingerprint}")
        _good(release, "check")
        revocation = tmp_path / "gnupg" / "openpgp-revocs.d" / f"{fingerprint}.rev"
        (tmp_path / "revocation").write_text(revocation.read_text().replace("\n:-----", "\n-----"))
        signature = release.with_name(f"{SUMS}.asc").read_text()
        with release.with_name(SUMS).open("a") as stream:
            stream.write(f"{'1' * 64}  more.tar.xz\n")
        assert "is no good signature" in _bad(release, "check")
        sign(release.with_name(SUMS), f"gpg:{fingerprint}")
        assert release.with_name(f"{SUMS}.asc").read_text() != signature
        output_of("gpg", "--batch", "--import", tmp_path / "revocation")
        assert "expired or revoked" in _bad(release, "check")


def test_setup_is_clean_shell() -> None:
    output_of("shellcheck", TEMPLATES / "setup")
