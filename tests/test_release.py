"""The release of the small image: installed by a stranger, made again elsewhere, judged by foreign tools."""

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, copy_sources, link_or_copy
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from project import PROJECT
from redhat.sources import SMALL_RECIPE, sources_section
from releases import Stranger, compare, tarballs_in

from ssiuml.host import files
from ssiuml.host.digests import file_sha256

pytestmark = pytest.mark.release

ROOT = "ssiuml-root-trixie-min"


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    # Not below tmp_path: the parents of that are private to one user, and names of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ssi-user."))
    folder.chmod(0o755)
    try:
        yield Stranger(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def root_tarball(released: Path) -> Path:
    (path,) = released.glob(f"{ROOT}-*")
    return path


def unpacked(tarball: Path, folder: Path) -> Path:
    subprocess.run(["tar", "-C", folder, "-xf", tarball], check=True)
    return folder / tarball.name.partition(".tar.")[0]


@pytest.fixture(scope="module")
def root_folder(root_tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in the root tarball. A test may not change it."""
    return unpacked(root_tarball, tmp_path_factory.mktemp("root"))


@pytest.mark.boot
def test_a_stranger_installs_the_tarballs_and_nothing_else_and_runs_a_cluster(
    released: Path, stranger: Stranger
) -> None:
    home = stranger.home
    for path in (*tarballs_in(released, ROOT), released / "SHA256SUMS"):
        shutil.copy(path, home)
    stranger.own(home)
    prefix = home / "ssi"
    names = []
    for tarball in tarballs_in(home):
        stranger.run("tar", "-xf", tarball, umask=0o077)
        names.append(tarball.name.partition(".tar.")[0])
        said = stranger.run("make", "-s", "-C", names[-1], "check")
        assert f"{tarball.name} matches ../SHA256SUMS" in said
        stranger.run("make", "-s", "-C", names[-1], "install", f"PREFIX={prefix}")

    def ssi(command: str, *words: str) -> str:
        return stranger.run(prefix / "bin" / f"ssi-{command}", *words)

    try:
        assert "2 nodes ready" in ssi("start", "2", "--recipe", "trixie-min", "--no-xterm")
        ssi("exec", "1", "--", "echo seen from both >/root/file")
        assert ssi("exec", "2", "--", "cat /root/file") == "seen from both\n"
        assert json.loads(ssi("status", "--json"))["nodes"].keys() == {"1", "2"}
    finally:
        said = ssi("stop")
    assert "the root is clean" in said
    image = prefix / "lib" / "ssiuml" / "trixie-min" / "root_fs"
    assert "etc" in ssi("image", "ls", str(image), "/")
    for name in names:
        stranger.run("make", "-s", "-C", name, "uninstall", f"PREFIX={prefix}")
    assert not prefix.exists()


Run = Callable[..., str]


@pytest.fixture
def elsewhere(stranger: Stranger, redhat_sources: Path) -> Path:
    """A checkout of another user in another folder, with a recipe for the stand-ins of 2002.

    Unless root runs the tests it is the same user with another home, and so with an empty cache.
    """
    checkout = stranger.home.parent / "elsewhere"  # without a blank: make of 2002 splits names there
    checkout.mkdir()
    copy_sources(checkout)
    for name in ("run", "README.md"):
        shutil.copy2(PROJECT / name, checkout / name)
    shutil.copytree(redhat_sources, checkout.parent / "2002")
    recipe = SMALL_RECIPE + sources_section(f"file://{checkout.parent}/2002/")
    (checkout / "recipes" / "small.yaml").write_text(recipe)
    stranger.own(checkout.parent)
    return checkout


def as_another_user(stranger: Stranger, checkout: Path) -> Run:
    """Return a function that calls ./run there, with another umask, language and time zone."""
    # What the machine needs for its network stays; nothing may lead back to folders of ours.
    ours = ("SSIUML_", "XDG_", "PYTHON", "LC_", "LANG")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environ |= {
        "HOME": str(stranger.home),
        "PATH": "/usr/bin:/bin",
        "TZ": "Pacific/Chatham",
        "LC_ALL": "POSIX",
    }
    return lambda *words: stranger.run("./run", *words, cwd=checkout, environ=environ, umask=0o077)


@pytest.mark.build
@pytest.mark.xdist_group("stock")
def test_another_user_elsewhere_builds_the_same_images_bit_for_bit(
    stock: Checkout, stranger: Stranger, elsewhere: Path
) -> None:
    """With Debian's kernel. The long test below compiles one."""
    as_another_user(stranger, elsewhere)(f"recipe={stock.recipe}", "build-root")
    theirs = elsewhere / "images" / stock.recipe
    for image in ("root_fs", "linux-ssi", "initrd-ssi.img"):
        assert compare(theirs / image, stock.images / image) == ""


@pytest.mark.boot
@pytest.mark.long
def test_another_user_elsewhere_makes_the_same_release_bit_for_bit_and_runs_a_cluster(
    released: Path, historic: Checkout, stranger: Stranger, elsewhere: Path
) -> None:
    run = as_another_user(stranger, elsewhere)
    run("recipe=trixie-min", "check", "release")
    theirs = tarballs_in(elsewhere / "images" / "release")
    assert [path.name for path in theirs] == [path.name for path in tarballs_in(released, ROOT)]
    for path in theirs:
        assert compare(path, released / path.name) == ""
    run("ssi-start", "2", "--recipe", "trixie-min", "--no-xterm")
    assert sorted(run("ssi-exec", "all", "--", "id -u").splitlines()) == ["node1: 0", "node2: 0"]
    assert "the root is clean" in run("ssi-stop")
    run("recipe=small", "build-root")
    for image in ("root_fs", "root_cidev", "initrd-ssi.img", "initrd-memexp.img"):
        assert compare(elsewhere / "images" / "small" / image, historic.images / image) == ""


@pytest.mark.long
def test_two_builds_of_the_default_recipe_release_the_same(built: Checkout, tmp_path: Path) -> None:
    releases = []
    for name, zone, umask in (("one", "UTC", 0o022), ("two, elsewhere", "America/St_Johns", 0o027)):
        folder = tmp_path / name
        (folder / "checkout").mkdir(parents=True)
        copy_sources(folder / "checkout")
        # The same packages, as with the same lock; the rest is made again.
        shutil.copytree(
            built.cache / "downloads",
            folder / "cache" / "downloads",
            copy_function=link_or_copy,
            ignore=shutil.ignore_patterns(".*"),  # what other tests are fetching
        )
        environ = {"TZ": zone, "HOME": str(folder)}
        prefix = ("sh", "-c", f'umask {umask:04o} && exec "$@"', "sh")
        outcome = Checkout(folder / "checkout", folder / "cache", "trixie", environ).doit(
            "release", prefix=prefix
        )
        assert outcome.status == 0, outcome.output
        releases.append(tarballs_in(folder / "checkout" / "images" / "release"))
    for one, other in zip(*releases, strict=True):
        assert one.name == other.name
        print(f"{one.name}: {one.stat().st_size} bytes, SHA-256 {file_sha256(one)}")
        assert compare(one, other) == ""


def test_the_root_is_as_sparse_after_unpacking_as_before(built: Checkout, root_folder: Path) -> None:
    folder = root_folder
    before = files.allocated_bytes(built.images / "root_fs")
    after = files.allocated_bytes(folder / "root_fs")
    assert after <= before * 1.05
    assert file_sha256(folder / "root_fs") == file_sha256(built.images / "root_fs")


def test_bsdtar_and_python_read_what_gnu_tar_has_written(
    root_tarball: Path, root_folder: Path, tmp_path: Path
) -> None:
    name = root_folder.name
    lines = (root_folder / "SHA256SUMS").read_text().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    subprocess.run(["bsdtar", "-C", tmp_path, "-xf", root_tarball], check=True)
    assert {path.name: file_sha256(path) for path in (tmp_path / name).iterdir()}.items() >= sums.items()
    with tarfile.open(root_tarball) as archive:
        members = {member.name: member for member in archive.getmembers()}
        assert members[f"{name}/root_fs"].size == 1 << 30
        manifest = archive.extractfile(members[f"{name}/manifest.json"])
        assert manifest is not None
        assert json.load(manifest)["recipe"] == "trixie-min"
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members.values()} == {(0, 0, "", "")}
    assert {one.mtime for one in members.values()} == {1700000000}


def test_the_manifest_says_what_was_tested_and_the_bill_what_is_in_it(
    built: Checkout, root_folder: Path
) -> None:
    folder = root_folder
    values = json.loads((folder / "manifest.json").read_text())
    assert values["cluster_test"]["passed"] is True
    tested = values["cluster_test"]["sha256"]
    assert tested["root_fs"] == values["root_fs"]["sha256"] == file_sha256(folder / "root_fs")
    assert tested["linux-ssi"] == values["kernel"]["sha256"]
    # By its digest: kernels of one version may have other options.
    kernel_step = json.loads((built.images / "steps" / "kernel.json").read_text())["results"]
    assert f"-{kernel_step['entry']['sha256'][:8]}-" in values["kernel"]["file"]
    bill = (folder / "bill.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    parts = {part["name"]: part for part in json.loads(bill)["components"]}
    packages = json.loads((built.images / "manifest.json").read_text())["packages"]
    assert {name: part["version"] for name, part in parts.items()}.items() >= packages.items()
    assert all(parts[name]["licenses"] for name in packages)
    told = (folder / "manifest.txt").read_text()
    assert all(
        re.search(rf"^  {re.escape(name)} +{re.escape(packages[name])} ", told, re.M) for name in packages
    )


def test_no_tarball_names_where_or_by_whom_it_was_made(
    built: Checkout, released: Path, root_folder: Path, tmp_path: Path
) -> None:
    others = [tarball for tarball in tarballs_in(released, ROOT) if not tarball.name.startswith(ROOT)]
    assert len(others) == 2
    for folder in (root_folder, *(unpacked(tarball, tmp_path) for tarball in others)):
        for place in (built.folder, built.cache, Path.home() / ".cache"):
            found = subprocess.run(
                ["grep", "-rlF", str(place), folder], capture_output=True, text=True, check=False
            )
            assert found.stdout == ""


def test_a_second_release_packs_nothing_and_verifies(built: Checkout, released: Path) -> None:
    before = {path: path.stat().st_ino for path in tarballs_in(released)}
    assert built.build("release").made == set()
    assert {path: path.stat().st_ino for path in tarballs_in(released)} == before
    assert built.build("release-verify").output.count("as in SHA256SUMS") == len(tarballs_in(released))


def test_a_root_with_a_secret_in_it_is_not_released(built: Checkout) -> None:
    checkout = built.write_recipe(
        "secret",
        "description: secret\nextends: trixie-min\n"
        "files: [{path: /etc/ssh/ssh_host_rsa_key, content: key, mode: '0600'},"
        " {path: /usr/bin/root, content: sh, mode: '4755'}]\n",
    )
    outcome = checkout.doit("hygiene")
    assert outcome.status == 1
    assert "/etc/ssh/ssh_host_rsa_key: a host key" in outcome.output
    assert "/usr/bin/root: is set-id (mode 4755)" in outcome.output
    shutil.rmtree(checkout.images)


@pytest.mark.boot
@pytest.mark.long
def test_a_root_that_a_cluster_does_not_run_on_is_not_released_and_the_nodes_logs_are_kept(
    built: Checkout,
) -> None:
    # Every node says that its root is something else.
    findmnt = "{path: /usr/local/bin/findmnt, content: 'echo ext4', mode: '0755'}"
    text = f"description: broken\nextends: trixie-min\nfiles: [{findmnt}]\n"
    checkout = built.write_recipe("broken", text)
    outcome = checkout.doit("release")
    assert outcome.status == 1
    assert "the root of node 1: is 'ext4', not 'gfs2'" in outcome.output
    logs = checkout.images / "cluster-test"
    assert f"read what the nodes said in {logs}" in outcome.output
    assert {"console-1.log", "console-2.log", "supervisor.log"} <= {path.name for path in logs.iterdir()}
    assert "ssi: node 1: ready" in (logs / "console-1.log").read_text(errors="replace")
    assert not list((built.folder / "images" / "release").glob("*-broken-*"))
    shutil.rmtree(checkout.images)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL])
def test_an_interrupted_release_leaves_no_half_tarball(historic: Checkout, number: signal.Signals) -> None:
    name = f"interrupted-{number.name.lower()}"
    text = f"description: {name}\nextends: small\nrelease: {{root: {name}, utils: {name}-utils}}\n"
    other = historic.write_recipe(name, text)
    other.build("build-root", "hygiene")
    releases = historic.folder / "images" / "release"
    other.interrupt(number, "packing", "release:root")
    for path in releases.glob(f"{name}-*"):  # it may have come too late, then the file is whole
        subprocess.run(["tar", "-tf", path], check=True, capture_output=True)
    other.build("release")
    other.build("release-verify")
    assert len(list(releases.glob(f"{name}-*.tar.bz2"))) == 2
    assert not list(releases.glob(".*.part"))
    shutil.rmtree(other.images)


def test_two_recipes_make_the_same_tarball_of_the_commands(historic: Checkout, released: Path) -> None:
    text = "description: other\nextends: small\nrelease: {root: other, utils: ssiuml-utils-min}\n"
    other = historic.write_recipe("other", text)
    other.build("release:utils")
    (one,) = released.glob("ssiuml-utils-min-*")
    assert compare(other.folder / "images" / "release" / one.name, one) == ""
    shutil.rmtree(other.images)


def test_an_image_of_2002_says_that_no_cluster_has_proved_it(historic: Checkout, tmp_path: Path) -> None:
    historic.build("release")
    (tarball,) = (historic.folder / "images" / "release").glob("ssiuml-root-rh72-*")
    folder = unpacked(tarball, tmp_path)
    assert {"root_fs", "root_cidev", "initrd-ssi.img", "initrd-memexp.img"} <= {
        path.name for path in folder.iterdir()
    }
    values = json.loads((folder / "manifest.json").read_text())
    assert values["cluster_test"]["passed"] is False
    assert "Not tested" in (folder / "manifest.txt").read_text()
    assert values["unverified"]
