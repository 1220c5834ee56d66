"""RAM disks, unpacked by zcat and GNU cpio. Their programs run in them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from programs import unshare

from ssiuml.errors import SsiumlError
from ssiuml.layers import initrd
from ssiuml.tree import cpio
from ssiuml.tree.compare import take_census
from ssiuml.tree.tree import (
    Kind,
    Literal,
    Meta,
    Node,
    Tree,
    TreeError,
    directory,
    file,
    symlink,
    whole_file,
)

TIME_NS = 1_704_067_200_000_000_000
MODULES = "lib/modules/6.1.0"
FOLDERS = ["dev", "proc", "root", "run", "sys", "sysroot", "tmp", "var", "var/lib", "var/log"]


def _file(data: bytes = b"", mode: int = 0o755) -> Node:
    return file(Literal(data), Meta(mode=mode))


def _tree(files: dict[str, bytes], links: dict[str, str] | None = None) -> Tree:
    tree = Tree()
    for path, target in (links or {}).items():
        tree.add(path, symlink(target))
    for path, data in files.items():
        tree.add(path, _file(data))
    return tree


def _add_from_host(tree: Tree, path: Path) -> None:
    for parent in reversed(path.parents):
        if parent.is_symlink():
            tree.add(str(parent.resolve()), directory(Meta(mode=0o755)))
            tree.add(str(parent), symlink(str(parent.readlink())))
    if path.is_symlink():
        tree.add(str(path), symlink(str(path.readlink())))
        _add_from_host(tree, path.parent / path.readlink())
    else:
        tree.add(str(path), file(whole_file(path), Meta(mode=0o755)))


def _names(tree: Tree) -> list[str]:
    return [path for path, node in tree.walk() if node.kind is not Kind.DIRECTORY]


def _unpack(image: Path, folder: Path) -> None:
    """Unpack as the kernel does: all archives in the file, one after the other."""
    folder.mkdir()
    plain = subprocess.run(["zcat", str(image)], capture_output=True, check=True).stdout
    # cpio stops at the first trailer, unlike the kernel, so it is called once for each archive.
    for archive in re.findall(rb"070701.*?TRAILER!!!\0{1,4}", plain, re.DOTALL):
        command = ["cpio", "--quiet", "-i", "--unconditional", "--no-preserve-owner"]
        subprocess.run(command, input=archive, cwd=folder, check=True)


# Tools.


def test_the_tools_segment_has_folders_and_a_shell() -> None:
    small = initrd.tools_tree(
        _tree({"bin/busybox": b"box", "sbin/x": b"x"}), ["/bin/busybox", "sbin/x"], TIME_NS
    )
    assert _names(small) == ["bin/busybox", "bin/sh", "sbin/x"]
    assert small.lookup("bin/sh").read() == b"box"
    for path in FOLDERS:
        assert small.lookup(path).kind is Kind.DIRECTORY
    assert small.lookup("tmp").meta == Meta(mode=0o1777, mtime_ns=TIME_NS)
    assert small.root.meta == Meta(mode=0o755, mtime_ns=TIME_NS)


def test_a_shell_of_the_tree_is_not_replaced() -> None:
    small = initrd.tools_tree(_tree({"bin/sh": b"dash"}), ["/bin/sh"], TIME_NS)
    assert small.lookup("bin/sh").read() == b"dash"


@pytest.mark.parametrize("programs", [[], ["/sbin/x"], ["/usr/bin/busybox"]])
def test_a_ram_disk_without_a_shell_is_an_error(programs: list[str]) -> None:
    tree = _tree({"sbin/x": b"x", "usr/bin/busybox": b"box"})
    with pytest.raises(SsiumlError) as error:
        initrd.tools_tree(tree, programs, TIME_NS)
    assert str(error.value) == (
        "the RAM disk would have no shell: neither /bin/sh nor /bin/busybox is in it\n"
        "  add /bin/busybox to initrd.tools"
    )


@pytest.mark.parametrize("name", ["bash", "tar"])
def test_a_copied_program_runs_in_the_ram_disk_alone(tmp_path: Path, name: str) -> None:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    program = Path(found)
    host = Tree()
    ldd = ["ldd", found, "/bin/bash"]
    loaded = subprocess.run(ldd, capture_output=True, text=True, check=True).stdout
    for path in (program, Path("/bin/bash"), *map(Path, re.findall(r"(/\S+) \(", loaded))):
        _add_from_host(host, path)
    if host.find("bin/sh") is None:
        host.add("bin/sh", symlink("bash"))
    small = initrd.tools_tree(host, [found, "/bin/sh"], TIME_NS)
    cpio.write_segment(tmp_path / "tools", small)
    _unpack(tmp_path / "tools", tmp_path / "root")
    chroot = [*unshare("--map-root-user"), "unshare", f"--root={tmp_path / 'root'}"]
    done = subprocess.run([*chroot, found, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == subprocess.run([found, "--version"], capture_output=True, text=True).stdout


# Links on the way to a file.


@pytest.mark.parametrize(
    ("links", "path"),
    [
        ({}, "usr/bin/x"),
        ({"bin": "usr/bin"}, "bin/x"),
        ({"bin": "/usr/bin"}, "bin/x"),
        ({"bin": "usr/bin", "usr/bin/y": "x"}, "bin/y"),
        ({"bin": "usr/bin", "sbin/y": "../bin/x"}, "sbin/y"),
        ({"bin": "usr/bin", "sbin": "bin/", "a": "sbin/../bin//x"}, "a"),
        ({"etc/alternatives/y": "/usr/bin/x", "usr/bin/y": "/etc/alternatives/y"}, "usr/bin/y"),
        ({"usr/bin/y": "./././x"}, "usr/bin/y"),
        ({"deep/er/y": "../../../../usr/bin/x"}, "deep/er/y"),
    ],
)
def test_a_file_that_was_copied_with_its_links_has_the_same_path(links: dict[str, str], path: str) -> None:
    source, target = _tree({"usr/bin/x": b"found", "usr/bin/other": b""}, links), Tree()
    initrd.copy_with_links(source, target, path)
    assert target.lookup(path).read() == b"found"
    assert target.real_path(path) == source.real_path(path) == "usr/bin/x"
    for name, target_of_it in links.items():
        if (copied := target.find(name, follow=False)) is not None:
            assert copied.target == target_of_it
    assert target.find("usr/bin/other") is None


def test_two_names_of_a_file_stay_one_file() -> None:
    source, target = _tree({"usr/lib/x": b"found"}, {"lib": "usr/lib"}), Tree()
    initrd.copy_with_links(source, target, "lib/x")
    initrd.copy_with_links(source, target, "usr/lib/x")
    assert _names(target) == ["lib", "usr/lib/x"]


@pytest.mark.parametrize("path", ["missing", "circle"])
def test_nothing_is_copied_for_a_path_that_leads_nowhere(path: str) -> None:
    target = Tree()
    with pytest.raises(TreeError):
        initrd.copy_with_links(_tree({}, {"circle": "circle"}), target, path)
    assert _names(target) == []


# Scripts, modules, configuration.


def test_the_script_init_becomes_the_first_program() -> None:
    small = Tree()
    scripts = {f"{initrd.SCRIPTS}/init": b"#!/bin/sh\n", f"{initrd.SCRIPTS}/lib/net": b"#\n"}
    initrd.add_scripts(_tree({**scripts, "usr/lib/ssi/other": b""}), small)
    assert _names(small) == ["init", *scripts]
    assert small.lookup("init").read() == b"#!/bin/sh\n"


def test_a_missing_script_init_is_an_error() -> None:
    with pytest.raises(SsiumlError) as error:
        initrd.add_scripts(_tree({f"{initrd.SCRIPTS}/net": b""}), Tree())
    assert str(error.value) == (
        "/usr/lib/ssi/initrd/init: no such script in the tree, so the RAM disk could not start"
    )
    with pytest.raises(TreeError):
        initrd.add_scripts(Tree(), Tree())


def _modules() -> Tree:
    dep = "fs/dlm.ko: fs/configfs.ko\nfs/configfs.ko:\nfs/ext4.ko:\n"
    modules = {f"{MODULES}/fs/{name}.ko": name.encode() for name in ("dlm", "configfs", "ext4")}
    return _tree({f"{MODULES}/modules.dep": dep.encode(), **modules})


def test_modules_come_with_their_dependencies_and_a_list_of_these_alone() -> None:
    small = initrd.modules_tree(_modules(), "6.1.0", ["dlm"], TIME_NS)
    assert _names(small) == [f"{MODULES}/fs/configfs.ko", f"{MODULES}/fs/dlm.ko", f"{MODULES}/modules.dep"]
    assert small.lookup(f"{MODULES}/modules.dep").read() == b"fs/configfs.ko:\nfs/dlm.ko: fs/configfs.ko\n"


def test_modules_lie_at_their_real_path_so_that_no_folder_replaces_a_link() -> None:
    tree = _tree({"usr/lib/x": b""}, {"lib": "usr/lib"})
    for path, node in _modules().walk():
        if node.kind is Kind.FILE:
            tree.add(path, node)
    small = initrd.modules_tree(tree, "6.1.0", ["ext4"], TIME_NS)
    assert _names(small) == [f"usr/{MODULES}/fs/ext4.ko", f"usr/{MODULES}/modules.dep"]


def test_a_missing_module_or_version_is_an_error() -> None:
    with pytest.raises(SsiumlError, match="there is no kernel module 'gfs2'"):
        initrd.modules_tree(_modules(), "6.1.0", ["gfs2"], TIME_NS)
    with pytest.raises(TreeError, match=r"lib/modules/6\.1\.1"):
        initrd.modules_tree(_modules(), "6.1.1", [], TIME_NS)


def test_configuration_is_written_as_utf8_and_everybody_may_read_it() -> None:
    small = initrd.config_tree([("etc/motd", "ä\n")], TIME_NS)
    node = small.lookup("etc/motd")
    assert (node.read(), node.meta) == (b"\xc3\xa4\n", Meta(mode=0o644, mtime_ns=TIME_NS))


# Segments.


def _mixed() -> Tree:
    tree = _tree({"bin/busybox": b"box", "odd\n\udcff": b"x" * 5, "n" * 150: b""}, {"bin/sh": "busybox"})
    tree.add("tmp", directory(Meta(mode=0o1777)))
    return tree


def test_zcat_and_cpio_unpack_a_segment(tmp_path: Path) -> None:
    tree = _mixed()
    cpio.write_segment(tmp_path / "segment", tree)
    _unpack(tmp_path / "segment", tmp_path / "out")
    for path, node in tree.walk():
        there = tmp_path / "out" / path
        assert there.is_symlink() == (node.kind is Kind.SYMLINK)
        if node.kind is Kind.FILE:
            assert there.read_bytes() == node.read()
    assert len(list((tmp_path / "out").rglob("*"))) == len(take_census(tree).facts) - 1
    assert (tmp_path / "out" / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_a_segment_does_not_depend_on_its_place_and_time(tmp_path: Path) -> None:
    cpio.write_segment(tmp_path / "one", _mixed())
    (tmp_path / "elsewhere").mkdir()
    cpio.write_segment(tmp_path / "elsewhere" / "other", _mixed())
    data = (tmp_path / "one").read_bytes()
    assert data == (tmp_path / "elsewhere" / "other").read_bytes()
    assert (data[3], data[4:8]) == (0, bytes(4))  # RFC 1952: no file name, no time


def test_joined_segments_are_unpacked_in_order_and_the_last_file_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    cpio.write_segment(first, _tree({"etc/a": b"first", "etc/b": b"first"}))
    cpio.write_segment(second, _tree({"etc/b": b"second", "etc/c": b"second"}))
    initrd.join_segments(tmp_path / "initrd", [first, second], 1 << 20)
    assert subprocess.run(["gzip", "--test", tmp_path / "initrd"]).returncode == 0
    assert (tmp_path / "initrd").read_bytes() == first.read_bytes() + second.read_bytes()
    _unpack(tmp_path / "initrd", tmp_path / "out")
    there = {path.name: path.read_text() for path in (tmp_path / "out" / "etc").iterdir()}
    assert there == {"a": "first", "b": "second", "c": "second"}


def test_the_error_for_a_ram_disk_over_the_limit_has_the_size_of_each_segment(tmp_path: Path) -> None:
    (tmp_path / "tools.gz").write_bytes(bytes(3 << 20))
    (tmp_path / "modules.gz").write_bytes(bytes(512 << 10))
    segments = [tmp_path / "tools.gz", tmp_path / "modules.gz"]
    with pytest.raises(SsiumlError) as error:
        initrd.join_segments(tmp_path / "initrd-ssi.img", segments, 3 << 20)
    assert str(error.value) == (
        "initrd-ssi.img: 3.5 MiB is over initrd.limit, 3 MiB: tools.gz 3 MiB, modules.gz 512 KiB\n"
        "  take something out of initrd.tools or initrd.modules, or raise initrd.limit"
    )
    assert not (tmp_path / "initrd-ssi.img").exists()
    initrd.join_segments(tmp_path / "initrd-ssi.img", segments, (3 << 20) + (512 << 10))
    assert (tmp_path / "initrd-ssi.img").stat().st_size == 3_670_016
