"""The recipe rh72 from the download to the finished images, with stand-ins for the downloads of 2002.

A web server on the loopback serves the stand-ins. The judges of the images are gfs2_convert and fsck.gfs2 on
a copy of the data, a kernel that mounts that copy, e2fsck, and the HOWTO's own files.
"""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from checkouts import Checkout
from gfs_judges import assert_clean, convert_to_gfs2
from http_server import Web
from programs import tool
from project import GOLDEN
from redhat import cluster_tools, opengfs, root_image
from redhat.busybox import fetch_busybox
from redhat.inittab import inittab_ssi_for_uml
from redhat.older_root import old_tree
from redhat.root_tree import make_tree
from redhat.sources import NAMES, SMALL_RECIPE, sources_section

from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.directories import read_directory
from ssiuml.formats.gfs_reader.filesystem import read_filesystem
from ssiuml.formats.gfs_reader.inodes import read_inode
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.host import files
from ssiuml.images.appliance import Appliance
from ssiuml.images.lock_server_table import read_lock_server_table
from ssiuml.tree.compare import take_census
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Kind, Tree


@pytest.fixture
def web(redhat_web: Web) -> Web:
    return redhat_web


@pytest.fixture
def variant(historic: Checkout, web: Web, request: pytest.FixtureRequest) -> Iterator[Checkout]:
    """A recipe of the test's own, in the checkout of the built one and with the same cache."""
    name = request.node.originalname.replace("_", "-").lower()[:60]
    checkout = historic.write_recipe(name, SMALL_RECIPE + sources_section(web.url("/")))
    yield checkout
    shutil.rmtree(checkout.images, ignore_errors=True)
    (checkout.folder / "recipes" / f"{name}.yaml").unlink(missing_ok=True)


def add_to(checkout: Checkout, text: str) -> None:
    path = checkout.folder / "recipes" / f"{checkout.recipe}.yaml"
    path.write_text(path.read_text() + text)


def data_area(checkout: Checkout, target: Path) -> Path:
    """Copy the data behind the pool's label to *target*. Return *target*."""
    with (checkout.images / "root_fs").open("rb") as stream, target.open("wb") as out:
        stream.seek(RESERVED_BYTES)
        size = (checkout.images / "root_fs").stat().st_size - RESERVED_BYTES
        while chunk := stream.read(1 << 20):
            if any(chunk):
                out.write(chunk)
            else:
                out.seek(len(chunk), 1)
        out.truncate(size)
    return target


def wanted_tree(checkout: Checkout) -> Tree:
    """Return the tree of all layers, merged."""
    stamp = json.loads((checkout.images / "steps" / "base.json").read_text())
    layers = [checkout.images / "layers" / f"{name}.tar" for name in LAYERS]
    return merge([read_layer(path) for path in (Path(stamp["results"]["path"]), *layers)])


LAYERS = ("cluster-tools", "modules", "config", "demo", "prune")


# The finished images


def test_every_image_of_the_howto_is_made(historic: Checkout) -> None:
    sizes = {path.name: path.stat().st_size for path in historic.images.iterdir() if path.is_file()}
    assert sizes["root_fs"] == 512 << 20
    assert sizes["root_cidev"] == 4096 << 10
    assert {"initrd-ssi.img", "initrd-memexp.img", "manifest.json"} <= sizes.keys()
    # The steps after an image go by its digest: other bytes are another release.
    manifest = json.loads((historic.images / "manifest.json").read_text())
    for key in ("root_fs", "root_cidev", "initrd", "initrd_memexp"):
        path = historic.images / manifest[key]["file"]
        summed = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        assert summed.stdout.split()[0] == manifest[key]["sha256"]


def test_a_download_that_broke_off_is_resumed_and_every_source_is_pinned(
    historic: Checkout, web: Web
) -> None:
    lock = (historic.folder / "recipes" / "small.lock").read_text()
    pinned = yaml.safe_load(lock)["sources"]
    for name in ("base", "cluster-tools", "old-root", "dbdemo"):
        file = NAMES[name]
        summed = subprocess.run(
            ["sha256sum", historic.cache / "downloads" / file], capture_output=True, text=True, check=True
        )
        assert summed.stdout.split()[0] == pinned[name]["sha256"]
    first, second = web.asked(f"/{NAMES['base']}")[:2]
    assert first is None
    assert second is not None
    assert web.asked(f"/{opengfs.NAME}") == []  # a source that the recipe does not use is not fetched


def test_the_configuration_files_are_those_of_the_howto_with_fewer_nodes(historic: Checkout) -> None:
    config = historic.images / "config"
    for name in ("pool0.cf", "pool0cidev.cf"):
        assert (config / name).read_bytes() == (GOLDEN / name).read_bytes()
    lines = (GOLDEN / "gfscf.cf").read_text().splitlines()
    assert (config / "gfscf.cf").read_text().splitlines() == lines[: 7 + 3]


def test_the_lock_server_table_lies_behind_the_label_of_its_pool(historic: Checkout) -> None:
    cidev = historic.images / "root_cidev"
    assert read_lock_server_table(cidev).text == (historic.images / "config" / "gfscf.cf").read_bytes()


def test_gfs2_convert_accepts_the_root_and_fsck_finds_it_clean(historic: Checkout, tmp_path: Path) -> None:
    image = data_area(historic, tmp_path / "root")
    assert_clean(convert_to_gfs2(image))


def test_our_reader_finds_no_damage_and_the_new_device_numbers(historic: Checkout) -> None:
    with open_image(historic.images / "root_fs") as source:
        _, tree = verify(read_filesystem(source), lambda damage: pytest.fail(str(damage)))
    for number in range(8):
        assert tree.lookup(f"dev/ubd/{number}").device == (98, 16 * number)


@pytest.mark.boot
def test_a_kernel_sees_exactly_the_tree_of_the_merged_layers(
    historic: Checkout, appliance: Appliance, tmp_path: Path
) -> None:
    image = convert_to_gfs2(data_area(historic, tmp_path / "root"))
    expected = take_census(wanted_tree(historic)).in_whole_seconds()
    assert appliance.read_back(image, expected).names == len(expected.facts)


def test_the_tree_is_the_base_image_with_the_changes_of_the_howto_and_no_others(historic: Checkout) -> None:
    pristine = make_tree("redhat", shell=fetch_busybox())
    tree = wanted_tree(historic)
    before = {path: node for path, node in pristine.walk() if node.kind is not Kind.SOCKET}
    after = dict(tree.walk())
    removed = {f"/{path}" for path in before.keys() - after.keys()}
    pruned = {path.replace("/etc/rc3.d/", "/etc/rc.d/rc3.d/") for path in golden_services()}
    assert removed == pruned | {"/etc/sysconfig/network-scripts/ifcfg-eth0"}
    added = after.keys() - before.keys()
    foreign = {
        path
        for path in added
        if not path.startswith(("lib/modules", "root/dbdemo", "dev/ubd", "lost+found"))
        and path not in ("sbin/passemble", "sbin/memexpd")
    }
    tools = set(dict(read_layer(historic.images / "layers" / "cluster-tools.tar").entries))
    assert foreign <= tools
    assert tree.lookup("etc/inittab.ssi").read().decode() == inittab_ssi_for_uml("redhat")
    assert "root:$1$ssiuml$" in tree.lookup("etc/shadow").read().decode()
    assert tree.lookup("root/dbdemo/alphabet").read().startswith(b"Alpha\nBravo\n")
    modules = "lib/modules/2.4.16-21um/modules.dep"
    assert tree.lookup(modules).read() == old_tree().lookup(modules).read()


def golden_services() -> list[str]:
    return (GOLDEN / "pruned-services").read_text().split()


def test_both_ram_disks_are_clean_and_hold_the_program_that_they_need(
    historic: Checkout, tmp_path: Path
) -> None:
    for name, program in (("initrd-ssi.img", "passemble"), ("initrd-memexp.img", "memexpd")):
        image = tmp_path / name
        image.write_bytes(gzip.decompress((historic.images / name).read_bytes()))
        tool("e2fsck", "-fn", image)
        assert program in tool("debugfs", "-R", "ls -p /sbin", image)


def address_of(image: Path, path: str) -> int:
    """Return the address of the dinode at *path* in a GFS image."""
    with open_image(image) as source:
        filesystem = read_filesystem(source)
        address = filesystem.root
        for part in path.split("/"):
            inode = read_inode(filesystem, address, address, "test")
            names = read_directory(
                filesystem, inode, lambda damage: pytest.fail(str(damage)), lambda block: None
            )
            address = next(name.address for name in names if name.name == part.encode())
    return address


def test_gfs2_edit_reads_the_device_numbers(historic: Checkout, tmp_path: Path) -> None:
    image = convert_to_gfs2(data_area(historic, tmp_path / "root"))
    for path, numbers in {
        "dev/ubd/7": ("98", "112"),
        "dev/console": ("5", "1"),
        "dev/hda1": ("3", "1"),
    }.items():
        said = tool("gfs2_edit", "-p", str(address_of(image, path)), image).split()
        assert (said[said.index("di_major") + 1], said[said.index("di_minor") + 1]) == numbers, path


def test_the_task_check_reports_that_gfs2_convert_and_fsck_accept_the_root(historic: Checkout) -> None:
    outcome = historic.build("check")
    assert "gfs2_convert and fsck.gfs2 find it sound" in outcome.output


def test_show_and_the_manifest_list_all_that_is_not_verified(historic: Checkout) -> None:
    shown = historic.build("show").output
    told = json.loads((historic.images / "manifest.json").read_text())["unverified"]
    assert len(told) > 5
    for line in told:
        assert line.startswith("not verified against the original: ")
        assert f"# {line}\n" in shown
    assert any("gfsconf's real layout is published nowhere" in line for line in told)


# Builds that are repeated, changed or interrupted


def test_a_second_build_makes_no_step_and_sends_no_request(historic: Checkout, web: Web) -> None:
    asked = len(web.requests)
    assert historic.build().made == set()
    assert len(web.requests) == asked


def test_another_list_of_pruned_services_makes_only_three_steps_again(variant: Checkout) -> None:
    variant.build()
    add_to(variant, "prune: [netfs, snmpd]\n")
    assert variant.build().made == {"prune", "copy-root", "build-root"}


@pytest.mark.parametrize(
    ("module", "step"),
    [
        ("historic/cluster_tools", "cluster-tools"),
        ("historic/fakeroot", "cluster-tools"),
        ("historic/file_states", "cluster-tools"),
        ("tree/archives", "modules"),
        ("formats/gfs/structures", "modules"),
        ("formats/pool/label", "modules"),
        ("historic/base_image", "base"),
    ],
)
def test_a_step_is_made_again_when_code_that_it_runs_changes(
    historic: Checkout, module: str, step: str
) -> None:
    path = historic.folder / "ssiuml" / f"{module}.py"
    text = path.read_text()
    try:
        path.write_text(f"{text}# changed\n")
        told = historic.build("-s", "explain").output
    finally:
        path.write_text(text)
    assert re.search(rf"^{step} .*\n +changed: code", told, re.MULTILINE), told


def test_clean_leaves_nothing_of_the_images_but_the_lock(variant: Checkout) -> None:
    variant.build()
    variant.build("clean", "--clean-all")
    left = {path.name for path in variant.images.rglob("*") if path.is_file()}
    assert left <= {".lock"}


def test_an_offline_build_sends_no_request_and_names_a_missing_download(variant: Checkout, web: Web) -> None:
    asked = len(web.requests)
    variant.build("offline=yes", "build-root")
    assert len(web.requests) == asked
    shutil.move(variant.cache / "downloads" / NAMES["dbdemo"], variant.folder / "kept")
    (variant.images / "steps" / "fetch.json").unlink()
    outcome = variant.doit("offline=yes", "fetch")
    shutil.move(variant.folder / "kept", variant.cache / "downloads" / NAMES["dbdemo"])
    assert outcome.status != 0
    assert "dbdemo.tar.bz2 is not there, and nothing may be fetched" in outcome.output


@pytest.mark.parametrize("when", ["base: unpacking", "copy-root: writing"])
def test_a_build_after_a_killed_one_gives_the_same_bytes(
    variant: Checkout, historic: Checkout, when: str
) -> None:
    for entry in (variant.cache / "base").glob("*"):
        entry.unlink()
    variant.interrupt(signal.SIGKILL, when)
    variant.build()
    for name in ("root_fs", "root_cidev", "initrd-ssi.img", "initrd-memexp.img"):
        assert tool("cmp", variant.images / name, historic.images / name) == ""


def test_a_build_that_stops_after_each_step_gives_the_same_bytes(
    variant: Checkout, historic: Checkout
) -> None:
    steps = sorted(path.stem for path in (historic.images / "steps").iterdir())
    assert len(steps) >= 14
    for name in steps:
        if name.startswith("release"):  # another test makes these, after the images
            continue
        task = name if not name.startswith("initrd") else f"initrd:{name[7:] or 'image'}"
        variant.build(task)
    for name in ("root_fs", "root_cidev", "initrd-ssi.img", "initrd-memexp.img"):
        assert tool("cmp", variant.images / name, historic.images / name) == ""


def test_steps_after_ptool_are_made_again_when_the_labels_change(historic: Checkout) -> None:
    made = historic.write_recipe("relabelled", SMALL_RECIPE + "sources: {}\n")
    recipe = historic.folder / "recipes" / "relabelled.yaml"
    recipe.write_text((historic.folder / "recipes" / "small.yaml").read_text())
    made.build()
    pools = "filesystem: {journals: 3, pools: {root: {name: other}}}"
    recipe.write_text(recipe.read_text().replace("filesystem: {journals: 3}", pools))
    assert {"ptool", "passemble", "gfsconf", "copy-root", "build-root"} <= made.build().made
    label = (made.images / "root_fs").read_bytes()[:512]
    assert b"other" in label


# What a user can get wrong


def test_a_source_that_is_removed_from_the_lock_file_is_pinned_again(variant: Checkout) -> None:
    variant.build("fetch")
    lock = variant.folder / "recipes" / f"{variant.recipe}.lock"
    before = lock.read_text()
    lock.unlink()
    assert variant.build("fetch").made == {"fetch"}
    assert lock.read_text() == before
    digest = before.split("sha256: ")[1][:64]
    lock.write_text(before.replace(digest, "ab" * 32))
    outcome = variant.doit("fetch")
    assert outcome.status != 0
    assert digest in outcome.output


@pytest.mark.parametrize("numbers", ["1305", "1308"])
def test_the_task_check_accepts_a_root_with_an_older_format_number(variant: Checkout, numbers: str) -> None:
    path = variant.folder / "recipes" / f"{variant.recipe}.yaml"
    fields = f"filesystem: {{journals: 3, fs_format: {numbers}, multihost_format: 1400}}"
    path.write_text(path.read_text().replace("filesystem: {journals: 3}", fields))
    assert "find it sound" in variant.build("check").output
    assert (
        f"({numbers}, multihost 1400)"
        in subprocess.run(
            [sys.executable, "-m", "ssiuml.cli.image", "info", variant.images / "root_fs"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_a_download_with_wrong_bytes_is_refused_with_both_digests(variant: Checkout) -> None:
    variant.build("fetch")
    path = variant.cache / "downloads" / NAMES["dbdemo"]
    data = path.read_bytes()
    try:
        path.write_bytes(data + b"x")
        outcome = variant.doit("fetch")
    finally:
        path.write_bytes(data)
    assert outcome.status != 0
    assert "has SHA-256" in outcome.output
    assert ".lock wants" in outcome.output
    assert "Traceback" not in outcome.output


def broken(variant: Checkout, name: str, data: bytes) -> str:
    """Build with *data* as the source *name*, which must fail. Return the output."""
    file = variant.folder / f"broken-{name}.bz2"
    file.write_bytes(data)
    add = f"sources: {{{name}: {{urls: ['file://{file}'], file: '{variant.recipe}-{name}.bz2'}}}}\n"
    checkout = variant.write_recipe(
        f"{variant.recipe}-broken", f"extends: {variant.recipe}\ndescription: x\n{add}"
    )
    outcome = checkout.doit("build-root")
    shutil.rmtree(checkout.images, ignore_errors=True)
    for path in (variant.cache / "downloads").glob(f"*{variant.recipe}-{name}*"):
        path.unlink()
    assert outcome.status != 0
    assert "Traceback" not in outcome.output
    assert not (checkout.images / "root_fs").exists()
    return outcome.output


def test_a_truncated_base_is_an_error(variant: Checkout, redhat_sources: Path) -> None:
    data = (redhat_sources / NAMES["base"]).read_bytes()
    assert "is damaged or not complete" in broken(variant, "base", data[: len(data) // 2])


def test_a_base_that_is_no_ext2_image_is_an_error(variant: Checkout) -> None:
    assert "has no ext2 superblock" in broken(variant, "base", bytes(1 << 20))


def test_cluster_tools_without_the_rule_are_an_error(variant: Checkout, tmp_path: Path) -> None:
    made = cluster_tools.make_cluster_tools(tmp_path / "x.tar.bz2", missing_rule="redhat")
    output = broken(variant, "cluster-tools", made.read_bytes())
    assert "its Makefile has no rule 'install_ssi_redhat', it has: " in output
    assert "install_ssi_caldera" in output
    assert "set cluster_tools to a folder whose Makefile has that rule" in output


def test_a_failing_rule_is_an_error_with_its_last_lines(variant: Checkout, tmp_path: Path) -> None:
    made = cluster_tools.make_cluster_tools(tmp_path / "x.tar.bz2", failing_rule="redhat")
    assert "its last lines" in broken(variant, "cluster-tools", made.read_bytes())


def test_a_root_that_is_too_small_is_an_error_that_names_the_key_and_its_value(variant: Checkout) -> None:
    path = variant.folder / "recipes" / f"{variant.recipe}.yaml"
    path.write_text(path.read_text().replace("512 MiB", "160 MiB") + "files: []\n")
    big = variant.folder / "recipes" / "big"
    files.create(big, 1)
    with big.open("wb") as stream:
        stream.write(os.urandom(100 << 20))
    path.write_text(path.read_text().replace("files: []", "files: [{path: /big, source: big}]"))
    outcome = variant.doit("build-root")
    big.unlink()
    assert outcome.status != 0
    assert "sizes.root_fs: 160 MiB is too small" in outcome.output


# Other recipes


def test_another_distribution_needs_only_a_recipe(variant: Checkout, web: Web, redhat_sources: Path) -> None:
    web.serve(f"/{root_image.CALDERA_NAME}", (redhat_sources / root_image.CALDERA_NAME).read_bytes())
    text = f"""\
extends: {variant.recipe}
description: Caldera, for a test
distribution: {{name: caldera}}
prune: [sshd]
sources: {{base: {{urls: ['{web.url(f"/{root_image.CALDERA_NAME}")}']}}}}
"""
    caldera = variant.write_recipe(f"{variant.recipe}-caldera", text)
    caldera.build()
    layer = merge([read_layer(caldera.images / "layers" / "config.tar")])
    assert layer.lookup("etc/inittab.ssi").read().decode() == inittab_ssi_for_uml("caldera")
    shutil.rmtree(caldera.images)


def test_opengfs_is_built_with_the_headers_of_user_mode_linux_and_installed(
    variant: Checkout, web: Web, tmp_path: Path
) -> None:
    tree = opengfs.make_kernel_tree(tmp_path / "linux")
    text = f"""\
extends: {variant.recipe}
description: OpenGFS from source, for a test
opengfs: {{source: opengfs, kernel_tree: '{tree}'}}
sources: {{opengfs: {{urls: ['{web.url(f"/{opengfs.NAME}")}']}}}}
"""
    built = variant.write_recipe(f"{variant.recipe}-opengfs", text)
    built.build("opengfs")
    layer = merge([read_layer(built.images / "layers" / "opengfs.tar")])
    assert layer.lookup("sbin/passemble").meta.mode == 0o755
    assert layer.lookup("lib/modules/2.4.16-21um/kernel/fs/gfs/gfs.o").read().startswith(b"\x7fELF")
    shutil.rmtree(built.images)


@pytest.mark.boot
def test_cluster_mkinitrd_of_the_root_makes_the_initrd_in_the_appliance(
    variant: Checkout, built: Checkout, tmp_path: Path
) -> None:
    add_to(variant, "initrd: {form: cluster_mkinitrd, appliance: trixie-min, limit: 4 MiB}\n")
    outcome = variant.doit("initrd")
    assert outcome.status != 0
    assert "recipe trixie-min: its kernel and base" in outcome.output
    assert "./run recipe=trixie-min base kernel" in outcome.output
    # Without the folders in which other tests are working.
    unfinished = shutil.ignore_patterns("work", ".*")
    shutil.copytree(built.images, variant.folder / "images" / "trixie-min", symlinks=True, ignore=unfinished)
    variant.build("initrd")
    image = tmp_path / "image"
    image.write_bytes(gzip.decompress((variant.images / "initrd-ssi.img").read_bytes()))
    tool("e2fsck", "-fn", image)
    assert "linuxrc" in tool("debugfs", "-R", "ls -p /", image)
    assert "gfs.o" in tool("debugfs", "-R", "ls -p /lib", image)
