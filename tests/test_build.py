"""Whole builds of the small image: what comes out, again, changed, interrupted, in bad conditions."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, kernel_and_base_of, private_cache, steps_of
from odd_names import PRINTABLE
from processes import processes_of, wait_until
from programs import unshare

from ssiuml.debian.base import DPKG_OPTIONS
from ssiuml.host.run import find_tool
from ssiuml.tree.layer import merge, read_layer

pytestmark = [pytest.mark.build, pytest.mark.xdist_group("built")]

EXTENDS = "description: for a test\nextends: trixie-min\n"


@pytest.fixture
def variant(built: Checkout, request: pytest.FixtureRequest) -> Iterator[Checkout]:
    """A recipe of the test's own that extends the built one and shares its cache."""
    name = request.node.originalname.replace("_", "-").lower()[:60]
    checkout = built.write_recipe(name, EXTENDS)
    yield checkout
    shutil.rmtree(checkout.images, ignore_errors=True)


def tool(name: str) -> str:
    path = find_tool(name)
    assert path is not None
    return path


def changed(checkout: Checkout, text: str) -> None:
    (checkout.folder / "recipes" / f"{checkout.recipe}.yaml").write_text(EXTENDS + text)


def leftovers(folder: Path) -> list[str]:
    """Temporary files that a build should not leave behind."""
    return [str(path) for path in folder.rglob("*") if path.name.endswith(".part")]


# What comes out


def test_root_fs_is_a_clean_gfs2_with_the_recipes_lock_table(built: Checkout) -> None:
    root_fs = built.images / "root_fs"
    probe = subprocess.run(
        [tool("blkid"), "-p", "-o", "export", root_fs], capture_output=True, text=True, check=True
    )
    assert {"TYPE=gfs2", "LABEL=ssi:root"} <= set(probe.stdout.splitlines())
    fsck = subprocess.run([tool("fsck.gfs2"), "-n", root_fs], capture_output=True, text=True, check=False)
    assert fsck.returncode == 0, fsck.stdout
    assert root_fs.stat().st_size == 1 << 30
    assert root_fs.stat().st_blocks * 512 < 1 << 29


@pytest.mark.boot
@pytest.mark.long  # what is quick to see of this is in tests/cluster/test_smoke.py
@pytest.mark.parametrize("writer", ["direct", "appliance"])
def test_check_finds_the_same_tree_by_either_writer(variant: Checkout, writer: str) -> None:
    changed(variant, f"filesystem: {{writer: {writer}}}\n")
    outcome = variant.build("check")
    assert "the images boot" in outcome.output
    assert "copy-root: unpacking" in outcome.output
    assert "check: reading back" in outcome.output
    assert list((variant.images / "work").glob("writers.*")) == []


@pytest.mark.boot
@pytest.mark.long
def test_check_finds_a_file_that_is_not_as_the_tree_has_it(variant: Checkout) -> None:
    variant.build("build-root", "mkfs")
    root_fs = variant.images / "root_fs"
    word = b"This computer system, including all related equipment"
    changed(variant, f"files:\n  - {{path: /etc/motd, content: '{word.decode()}', mode: '0600'}}\n")
    variant.build("build-root")
    data = root_fs.read_bytes()
    assert data.count(word) == 1
    state = root_fs.stat()
    with root_fs.open("r+b") as stream:
        stream.seek(data.index(word))
        stream.write(b"X")
    os.utime(root_fs, ns=(state.st_atime_ns, state.st_mtime_ns))
    outcome = variant.doit("check")
    assert outcome.status != 0
    assert "/etc/motd: sha256 is" in outcome.output
    assert "Traceback" not in outcome.output


def test_the_same_inputs_give_the_same_root_bit_for_bit(variant: Checkout) -> None:
    variant.build("build-root")
    first = (variant.images / "root_fs").rename(variant.images / "first")
    variant.build("build-root")
    assert subprocess.run(["cmp", first, variant.images / "root_fs"], check=False).returncode == 0


def test_kernel_runs_here_and_is_the_version_of_the_manifest(built: Checkout) -> None:
    manifest = json.loads((built.images / "manifest.json").read_text())
    shown = subprocess.run(
        [built.images / "linux-ssi", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == manifest["kernel"]["version"]


def test_manifest_has_the_digests_of_the_files_beside_it(built: Checkout) -> None:
    manifest = json.loads((built.images / "manifest.json").read_text())
    for key in ("kernel", "initrd", "root_fs"):
        path = built.images / manifest[key]["file"]
        summed = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        assert summed.stdout.split()[0] == manifest[key]["sha256"]
    assert manifest["cluster"]["node_limit"] == 3
    assert manifest["packages"]["corosync"].startswith("3.1")


def test_initrd_is_three_archives_in_one_under_its_limit(built: Checkout) -> None:
    initrd = built.images / "initrd-ssi.img"
    assert initrd.stat().st_size < 12 << 20
    segments = [built.images / "initrd" / f"{name}.cpio.gz" for name in ("tools", "modules", "config")]
    assert initrd.read_bytes() == b"".join(segment.read_bytes() for segment in segments)
    names = ""
    for segment in segments:
        unpacked = subprocess.run(["gzip", "-dc", segment], capture_output=True, check=True).stdout
        listing = subprocess.run(["cpio", "-t"], input=unpacked, capture_output=True, check=True)
        names += listing.stdout.decode()
    wanted = {"init", "usr/sbin/corosync", "usr/sbin/dlm_controld", "etc/corosync/corosync.conf"}
    assert wanted <= set(names.splitlines())
    # The kernel needs no modules: what the initrd needs is built in.
    assert ".ko" not in names


def test_base_is_exactly_what_was_fetched_and_has_no_trace_of_how(built: Checkout, tmp_path: Path) -> None:
    steps = steps_of(built)
    base = steps["base"].results()["path"]
    fetched = steps["fetch"].results()["base"]
    admin = "./var/lib/dpkg"
    subprocess.run(["tar", "-x", "-C", tmp_path, "-f", base, admin, "./etc/apt", "./etc/dpkg"], check=True)
    words = [
        "dpkg-query",
        f"--admindir={tmp_path / admin}",
        "-W",
        "-f",
        "${Package} ${Version} ${db:Status-Abbrev}\n",
    ]
    shown = subprocess.run(words, capture_output=True, text=True, check=True)
    packages = fetched["selection"]["packages"]
    wanted = {(name, deb["version"], "ii") for name, deb in packages.items()}
    assert {tuple(line.split()) for line in shown.stdout.splitlines()} == wanted
    manifest = json.loads((built.images / "manifest.json").read_text())
    assert manifest["packages"] == {name: deb["version"] for name, deb in packages.items()}
    assert manifest["base"] == {"locked": fetched["locked"]}
    sources = (tmp_path / "etc" / "apt" / "sources.list").read_text()
    assert sources.count("http://deb.debian.org/debian trixie") == 2
    options = (tmp_path / "etc" / "dpkg" / "dpkg.cfg.d" / "99mmdebstrap").read_text().splitlines()
    assert sorted(options) == sorted(DPKG_OPTIONS)
    found = subprocess.run(["grep", "-c", "-a", "-e", "ssiuml-base", "-e", "copy:/tmp", base], check=False)
    assert found.returncode == 1


def test_nothing_secret_or_unique_is_in_the_base(built: Checkout) -> None:
    tree = merge([read_layer(kernel_and_base_of(built).base)])
    names = {path for path, _ in tree.walk()}
    assert not [name for name in names if "ssh_host_" in name or name.endswith("random-seed")]
    assert not [name for name in names if name.endswith(".deb") or "_Packages" in name]
    assert not [name for name in names if "__pycache__" in name]
    machine_id = tree.find("etc/machine-id")
    assert machine_id is None or machine_id.read().strip() in (b"", b"uninitialized")
    (shadow,) = (line for line in tree.lookup("etc/shadow").read().split(b"\n") if line.startswith(b"root:"))
    assert shadow.split(b":")[1] in (b"*", b"!")


# What is made again, and what is not


def test_second_build_makes_nothing(built: Checkout) -> None:
    assert built.build().made == set()


def test_one_pruned_service_more_makes_neither_base_nor_modules_again(variant: Checkout) -> None:
    variant.build()
    changed(variant, "prune: [corosync, dlm, ssh, cron, rsyslog]\n")
    outcome = variant.build()
    assert outcome.made == {"prune", "copy-root", "build-root"}
    assert "base: " not in outcome.output


def test_changed_timings_make_the_configuration_and_what_holds_it(variant: Checkout) -> None:
    variant.build()
    changed(variant, "cluster:\n  timings: {token_ms: 3000, consensus_ms: 3600}\n")
    made = variant.build("initrd").made
    assert made == {"cluster-config", "initrd:config", "initrd:image"}


def test_own_file_of_the_recipe_comes_into_the_image(variant: Checkout) -> None:
    changed(variant, 'files:\n  - {path: /etc/motd, content: "hello\\n", mode: "0600"}\n')
    variant.build("config")
    node = merge([read_layer(variant.images / "layers" / "config.tar")]).lookup("etc/motd")
    assert node.read() == b"hello\n"
    assert node.meta.mode == 0o600


def test_clean_removes_what_was_built_and_keeps_the_cache(variant: Checkout) -> None:
    variant.build("config")
    variant.build("clean")
    assert [path for path in variant.images.rglob("*") if path.is_file() and path.name[0] != "."] == []
    assert list((variant.cache / "base").glob("*.tar"))


def test_distclean_removes_the_recipes_share_of_the_cache(built: Checkout, tmp_path: Path) -> None:
    cache = private_cache(built, tmp_path / "cache")
    other = Checkout(built.folder, cache, built.write_recipe("distclean", EXTENDS).recipe)
    other.build("config", "kernel")
    (base,) = (cache / "base").glob("*.tar")
    # As if the code had changed since: then it would make this base under another name.
    older = base.rename(base.with_name("older.tar"))
    facts = base.with_name(f"{base.name}.json")
    facts.rename(older.with_name("older.tar.json"))
    stamp = other.images / "steps" / "base.json"
    stamp.write_text(stamp.read_text().replace(str(base), str(older)))
    other.build("distclean")
    assert not other.images.exists()
    assert [path for path in cache.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []


# Interruptions


@pytest.mark.parametrize(
    ("number", "status", "writer"),
    [
        (signal.SIGKILL, -9, "direct"),
        pytest.param(signal.SIGTERM, 143, "appliance", marks=pytest.mark.boot),
        pytest.param(signal.SIGINT, 130, "direct", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 143, "direct", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, 130, "appliance", marks=[pytest.mark.boot, pytest.mark.long]),
        pytest.param(signal.SIGKILL, -9, "appliance", marks=[pytest.mark.boot, pytest.mark.long]),
    ],
)
def test_build_interrupted_while_copying_goes_on_where_it_was(
    variant: Checkout, number: signal.Signals, status: int, writer: str
) -> None:
    changed(variant, f"filesystem: {{writer: {writer}}}\n")
    moment = {"direct": "copy-root: writing", "appliance": "copy-root: unpacking"}[writer]
    interrupted = variant.interrupt(number, moment, "build-root")
    assert interrupted.status == status
    assert "Traceback" not in interrupted.output
    assert not (variant.images / "root_fs").exists()
    work = str(variant.images)
    wait_until(lambda: processes_of(work) == [], f"processes that work in {work} end")

    outcome = variant.build("build-root")
    assert "base: " not in outcome.output
    assert {"copy-root", "build-root"} <= outcome.made
    assert not outcome.made & {"config", "prune", "modules"} or number == signal.SIGKILL
    assert leftovers(variant.images) == []
    assert variant.build("build-root").made == set()
    shutil.rmtree(variant.images)


@pytest.mark.long
def test_a_base_is_the_same_whatever_the_names_of_cache_and_temporary_folder_are(
    built: Checkout, tmp_path: Path
) -> None:
    odd = tmp_path / "".join(PRINTABLE)
    (odd / "tmp").mkdir(parents=True)
    cache = private_cache(built, odd / "cache")
    before = {path.name: path.read_bytes() for path in (cache / "base").glob("*.tar")}
    shutil.rmtree(cache / "base")
    other = Checkout(built.folder, cache, built.recipe, {"TMPDIR": str(odd / "tmp")})
    other.build("base")
    made = {path.name: path.read_bytes() for path in (cache / "base").glob("*.tar")}
    assert made
    assert made.items() <= before.items()


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL], ids=["TERM", "KILL"]
)
def test_base_interrupted_leaves_nothing_that_passes_for_a_base(
    built: Checkout, tmp_path: Path, number: signal.Signals
) -> None:
    cache = private_cache(built, tmp_path / "cache")
    shutil.rmtree(cache / "base")
    name = built.write_recipe(f"base-{number.name.lower()}", EXTENDS).recipe
    other = Checkout(built.folder, cache, name, {"TMPDIR": str(tmp_path)})
    interrupted = other.interrupt(number, "base: extracting archives", "base")
    assert interrupted.status != 0
    assert list((cache / "base").glob("*.json")) == []
    assert list((cache / "base").glob("[!.]*.tar")) == []
    wait_until(lambda: processes_of(str(cache)) == [], "mmdebstrap ends with the build")
    # mmdebstrap mounts nothing for its chroot, even if root runs the tests.
    assert "ssiuml-base." not in Path("/proc/mounts").read_text()


# Bad conditions


def test_second_build_of_a_recipe_is_refused_while_the_first_runs(variant: Checkout) -> None:
    first = variant.start("build-root")
    try:
        wait_until((variant.images / ".lock.pid").exists, "the first build holds its lock")
        second = variant.doit("build-root")
    finally:
        first.terminate()
        first.communicate(timeout=120)
    assert second.status == 1
    assert f"another build of this recipe is running (process {first.pid})" in second.output
    assert "Traceback" not in second.output


def test_damaged_kernel_in_the_cache_is_unpacked_again(stock: Checkout, tmp_path: Path) -> None:
    cache = private_cache(stock, tmp_path / "cache")
    extends = EXTENDS.replace("trixie-min", stock.recipe)
    variant = Checkout(stock.folder, cache, stock.write_recipe("damaged-kernel", extends).recipe)
    (entry,) = (cache / "kernel").glob("*.tar")
    with entry.open("r+b") as stream:
        stream.seek(1 << 20)
        stream.write(b"damaged")
    outcome = variant.build("kernel")
    assert "was damaged" in outcome.output
    assert "it is made again" in outcome.output
    version = json.loads((variant.images / "steps" / "kernel.json").read_text())
    assert version["results"]["entry"]["facts"]["version"].startswith("6.1.")


def test_damage_that_left_the_time_of_the_base_alone_is_found_before_it_is_used(
    built: Checkout, tmp_path: Path
) -> None:
    cache = private_cache(built, tmp_path / "cache")
    other = Checkout(built.folder, cache, built.write_recipe("damaged", EXTENDS).recipe)
    other.build("base")
    (base,) = (cache / "base").glob("*.tar")
    state = base.stat()
    with base.open("r+b") as stream:
        stream.seek(100 << 20)
        stream.write(b"damaged")
    os.utime(base, ns=(state.st_atime_ns, state.st_mtime_ns))
    outcome = other.doit("config")
    assert outcome.status == 1
    assert f"{base}: this cache entry was damaged" in outcome.output
    assert "run the same command again: the entry was removed" in outcome.output
    assert not base.exists()


def test_package_that_does_not_exist_is_named_with_its_line(variant: Checkout) -> None:
    changed(variant, "extra_packages:\n  - file\n  - no-such-thing\n")
    outcome = variant.doit("fetch")
    assert outcome.status == 1
    assert f"recipes/{variant.recipe}.yaml:5: extra_packages" in outcome.output
    assert "'no-such-thing' is not in trixie" in outcome.output


def test_without_network_the_mirror_is_named(variant: Checkout) -> None:
    nowhere = "distribution: {mirror: 'http://127.0.0.1:9/debian', security_mirror: null}\n"
    changed(variant, f"{nowhere}extra_packages: [gdb]\n")  # what is not locked
    outcome = variant.doit("fetch")
    assert outcome.status == 1
    assert "the package lists of trixie cannot be fetched" in outcome.output
    assert "whether http://127.0.0.1:9/debian is the right mirror" in outcome.output
    assert "Traceback" not in outcome.output


def test_root_fs_too_small_says_how_much_is_needed_and_that_much_is_enough(variant: Checkout) -> None:
    changed(variant, "sizes: {root_fs: 96 MiB}\n")
    outcome = variant.doit("build-root")
    assert outcome.status == 1
    assert "sizes.root_fs: 96 MiB is too small" in outcome.output
    needed = outcome.output.partition("set sizes.root_fs: ")[2].partition(" or more")[0]
    changed(variant, f"sizes: {{root_fs: {needed}}}\n")
    variant.build("build-root")


def test_full_disk_is_an_error_with_need_and_place(built: Checkout, tmp_path: Path) -> None:
    in_namespace = unshare("--map-root-user", "--mount")
    small = tmp_path / "small"
    small.mkdir()
    name = built.write_recipe("full-disk", EXTENDS).recipe
    other = Checkout(built.folder, small / "cache", name)
    # In a mount namespace of its own the cache gets a disk that holds the downloads and little more.
    script = 'mount -t tmpfs -o size=400m tmpfs "$1" && mkdir "$1/cache" && cp -a "$2" "$1/cache"'
    in_shell = (*in_namespace, "sh", "-c", f'{script}; shift 2; "$@"', "sh")
    outcome = other.doit(
        "base", prefix=(*in_shell, str(small), str(private_cache(built, tmp_path / "cache") / "downloads"))
    )
    assert outcome.status == 1
    assert f"{small}/cache/base: installing the base needs about 1024 MiB" in outcome.output
    assert "Traceback" not in outcome.output
