"""The RAM disk of Linux 2.4: e2fsprogs look into it, and a kernel starts its linuxrc."""

import gzip
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from programs import tool
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.historic.ext2_image import write_ext2
from ssiuml.historic.initrd import linuxrc_tree, write_linuxrc_initrd
from ssiuml.host.uml import Machine
from ssiuml.images.appliance import Appliance
from ssiuml.layers import cluster_config
from ssiuml.recipe.load import load_recipe
from ssiuml.tree.tree import Literal, Meta, Tree, file, symlink

VERSION = "2.4.16-21um"
TIME_NS = 1_022_630_400 * 10**9
META = Meta(mode=0o755, mtime_ns=TIME_NS)
LIMIT = 4 << 20
LIMIT_S = 300.0
PROGRAMS = (
    *(
        "bin/sh",
        "bin/mount",
        "bin/umount",
        "sbin/insmod",
        "sbin/ifconfig",
        "sbin/pivot_root",
        "usr/sbin/chroot",
    ),
    *("sbin/passemble", "sbin/memexpd"),
)


def root(shell: bytes = b"#!a program") -> Tree:
    """Return a root with the programs and modules that an initrd needs."""
    tree = Tree(META)
    for path in PROGRAMS:
        tree.add(path, file(Literal(shell), META))
    folder = f"lib/modules/{VERSION}"
    for path in ("kernel/fs/gfs/gfs.o", "kernel/fs/gfs/pool.o", "kernel/fs/gfs/lock_harness.o", "memexp.o"):
        tree.add(f"{folder}/{path}", file(Literal(b"module " + path.encode()), META))
    # depmod of Linux 2.4 writes absolute paths and continuation lines.
    top = f"/{folder}/kernel/fs/gfs"
    dep = f"{top}/gfs.o:\t{top}/lock_harness.o \\\n\t{top}/pool.o\n\n{top}/pool.o:\n{top}/lock_harness.o:\n"
    dep += f"/{folder}/memexp.o:\t{top}/lock_harness.o\n"
    tree.add(f"{folder}/modules.dep", file(Literal(dep.encode()), META))
    return tree


def variables() -> dict[str, Any]:
    return cluster_config.variables(load_recipe("rh72", PROJECT / "recipes").recipe)


def small(tree: Tree, *, server: bool = False, modules: tuple[str, ...] = ("gfs", "memexp")) -> Tree:
    return linuxrc_tree(
        tree,
        PROJECT / "templates",
        variables(),
        version=VERSION,
        tools=["/bin/sh"],
        modules=modules,
        mtime_ns=TIME_NS,
        server=server,
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The unpacked image of the RAM disk of nodes."""
    write_linuxrc_initrd(tmp_path / "initrd-ssi.img", small(root()), TIME_NS // 10**9, LIMIT)
    tool("gzip", "-t", tmp_path / "initrd-ssi.img")
    (tmp_path / "image").write_bytes(gzip.decompress((tmp_path / "initrd-ssi.img").read_bytes()))
    return tmp_path / "image"


def test_the_image_is_a_clean_ext2_with_linuxrc_programs_modules_and_devices(image: Path) -> None:
    tool("e2fsck", "-fn", image)
    assert "linuxrc" in tool("debugfs", "-R", "ls -p /", image)
    stat = tool("debugfs", "-R", "stat /dev/ubd/1", image)
    assert "Type: block special" in stat
    assert "Device major/minor number: 98:16" in stat
    assert "Mode:  0755" in tool("debugfs", "-R", "stat /linuxrc", image)
    console = tool("debugfs", "-R", "stat /dev/console", image)
    assert "05:01" in console
    names = {path for path, _ in read_ext2(image).walk()}
    folder = f"lib/modules/{VERSION}"
    assert {
        "sbin/pivot_root",
        "sbin/passemble",
        f"{folder}/kernel/fs/gfs/pool.o",
        f"{folder}/memexp.o",
    } <= names
    assert "sbin/memexpd" not in names


def test_the_image_holds_the_given_tree(image: Path) -> None:
    seen, given = read_ext2(image), small(root())
    for path, node in given.walk():
        found = seen.lookup(path, follow=False)
        assert (found.kind, found.device, found.target) == (node.kind, node.device, node.target), path
        assert found.meta == node.meta, path
        assert node.content is None or found.read() == node.read(), path


def test_linuxrc_loads_each_module_after_those_that_it_needs(image: Path) -> None:
    script = read_ext2(image).lookup("linuxrc").read().decode()
    loaded = [line.split()[1].rpartition("/")[2] for line in script.splitlines() if line.startswith("insmod")]
    assert loaded.index("pool.o") < loaded.index("gfs.o")
    assert loaded.index("lock_harness.o") < loaded.index("gfs.o") < loaded.index("memexp.o")
    assert "mount -t gfs -o hostdata=$address /dev/pool/pool0 /sysroot" in script
    assert "15) address=192.168.50.15 ;;" in script


@pytest.mark.parametrize("server", [False, True])
def test_linuxrc_is_a_script_that_shellcheck_accepts(tmp_path: Path, server: bool) -> None:
    (tmp_path / "linuxrc").write_bytes(small(root(), server=server).lookup("linuxrc").read())
    tool("dash", "-n", tmp_path / "linuxrc")
    # Intended: `read` without -r, unquoted numbers, a console that is read and written, a number not used.
    tool("shellcheck", "-s", "sh", "-e", "SC2162,SC2086,SC2094,SC2034", tmp_path / "linuxrc")


def test_the_ram_disk_of_the_lock_server_has_its_address_and_mounts_no_root() -> None:
    tree = small(root(), server=True)
    script = tree.lookup("linuxrc").read().decode()
    assert "address=192.168.50.101" in script
    assert "memexpd ||" in script
    assert "/sysroot" not in script
    assert tree.find("sbin/passemble") is None
    assert tree.find("sbin/memexpd") is not None


def test_the_same_root_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_linuxrc_initrd(tmp_path / name, small(root()), TIME_NS // 10**9, LIMIT)
    assert tool("cmp", tmp_path / "a", tmp_path / "b") == ""


def test_a_program_or_module_that_the_root_lacks_is_an_error_that_names_it() -> None:
    tree = root()
    tree.remove("sbin/passemble")
    with pytest.raises(SsiumlError, match=r"no passemble \(looked for: /sbin/passemble"):
        small(tree)
    with pytest.raises(SsiumlError, match="no kernel module 'xfs'"):
        small(root(), modules=("xfs",))


def test_a_ram_disk_over_its_limit_is_an_error_that_names_the_largest_file(tmp_path: Path) -> None:
    with pytest.raises(SsiumlError, match=r"is over initrd.limit, 1 KiB; the largest file in it is /linuxrc"):
        write_linuxrc_initrd(tmp_path / "x", small(root()), 0, 1024)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.boot
def test_a_kernel_mounts_the_image_and_starts_linuxrc(appliance: Appliance, tmp_path: Path) -> None:
    # Debian's kernel has no RAM disk driver built in, so the image is its first disk.
    tree = root()
    busybox = appliance.programs.lookup("bin/busybox")
    for path in PROGRAMS:
        tree.remove(path)
        tree.add(path, symlink("/bin/busybox"))
    tree.add("bin/busybox", busybox)
    tree.add("sbin/memexpd", file(Literal(b"#!/bin/sh\n"), META))
    tree.remove("sbin/passemble")
    tree.add("sbin/passemble", file(Literal(b"#!/bin/sh\n"), META))
    image = tmp_path / "image"
    write_ext2(image, small(tree), TIME_NS // 10**9)
    empty = tmp_path / "initrd"
    empty.write_bytes(b"")
    machine = Machine(
        name="uml",
        kernel=appliance.kernel,
        folder=tmp_path,
        memory_mib=128,
        initrd=empty,
        disks={"ubd0": image},
        parameters=["con0=null,fd:1", "root=/dev/ubda", "rw", "init=/linuxrc", "ssi.node=2"],
    )
    machine.prepare()
    lines = []
    with subprocess.Popen(
        [word for word in machine.argv if not word.startswith("initrd=")],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        limit = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "cannot be loaded" in line:
                break
        limit.cancel()
        os.killpg(process.pid, signal.SIGKILL)
    assert "linuxrc: node 2, 192.168.50.2\n" in lines
    # The test ends here: Linux 6.1 cannot load a module of 2.4.
    assert "pool.o cannot be loaded" in lines[-1]
