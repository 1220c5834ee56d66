"""Programs run inside a tree by the appliance, with loop mounts and 32-bit programs."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from checkouts import KernelAndBase

from ssiuml.errors import SsiumlError
from ssiuml.historic.initrd import run_cluster_mkinitrd
from ssiuml.host import run as running
from ssiuml.host.run import find_tool
from ssiuml.images.appliance import Appliance
from ssiuml.images.appliance.chroot import run_in_tree
from ssiuml.layers.initrd import copy_with_links
from ssiuml.tree.elf import with_libraries
from ssiuml.tree.tree import Literal, Meta, Tree, directory, file, symlink, whole_file

pytestmark = pytest.mark.boot

# Like Red Hat's mkinitrd 3.2: it formats an image, mounts it on a loop device, fills it and compresses it.
MKINITRD = """#!/bin/sh
set -e
[ "$1" = --uml ] && [ "$(id -u)" = 0 ]
name=$2 version=$3 image=/tmp/initrd.$$ mount=/tmp/mount.$$
answer=$(answer)
echo "the 32-bit program says $answer"
dd if=/dev/zero of=$image bs=1k count=4000 2>/dev/null
mke2fs -q -F -O none $image 4000
mkdir -p $mount
mount -t ext2 -o loop $image $mount
mkdir $mount/dev $mount/lib
mknod $mount/dev/console c 5 1
cp /lib/modules/$version/gfs.o $mount/lib/
echo "$answer" >$mount/answer
umount $mount
gzip -9 <$image >$name
"""
VERSION = "2.4.16-21um"


@pytest.fixture
def chrooting(kernel_and_base: KernelAndBase, tmp_path: Path) -> Appliance:
    return Appliance(
        kernel=kernel_and_base.kernel,
        modules_version=kernel_and_base.version,
        programs=kernel_and_base.tree(),
        work=tmp_path / "work",
    )


def _answer(folder: Path) -> Path:
    """Make a program for the Intel 80386 that prints the first six letters of its argument 0."""
    (folder / "answer.s").write_text(
        ".globl _start\n_start: movl 4(%esp),%ecx; movl $4,%eax; movl $1,%ebx; movl $6,%edx; int $0x80\n"
        "movl $1,%eax; xorl %ebx,%ebx; int $0x80\n"
    )
    subprocess.run(["as", "--32", "answer.s", "-o", "answer.o"], cwd=folder, check=True)
    subprocess.run(["ld", "-m", "elf_i386", "answer.o", "-o", "answer"], cwd=folder, check=True)
    return folder / "answer"


def _tree(appliance: Appliance, folder: Path) -> Tree:
    """Return a tree of 64-bit programs, with one 32-bit program."""
    whole, tree = appliance.programs, Tree()
    names = ("bin/sh", "bin/mount", "bin/umount", "bin/mkdir", "bin/mknod", "bin/cp", "bin/dd", "bin/gzip")
    for path in with_libraries(whole, [*names, "sbin/mke2fs", "usr/bin/id"]):
        copy_with_links(whole, tree, path)
    for name in ("tmp", "root", "dev", "proc"):
        tree.add(name, directory(Meta(mode=0o755)))
    tree.add("etc/fstab", file(Literal(b""), Meta(mode=0o644)))
    tree.add(f"lib/modules/{VERSION}/gfs.o", file(Literal(b"gfs"), Meta(mode=0o644)))
    tree.add("sbin/answer", file(whole_file(_answer(folder)), Meta(mode=0o755)))
    tree.add("usr/sbin/cluster_mkinitrd", file(Literal(MKINITRD.encode()), Meta(mode=0o755)))
    return tree


def _left_over(folder: Path) -> list[str]:
    return [path.name for path in (folder / "work").iterdir() if path.is_file()]


def test_cluster_mkinitrd_mounts_an_image_and_runs_32_bit_programs_and_its_result_is_taken_out(
    chrooting: Appliance, tmp_path: Path
) -> None:
    target = tmp_path / "initrd-ssi.img"
    tree = _tree(chrooting, tmp_path)
    run_cluster_mkinitrd(chrooting, tree, VERSION, target)
    subprocess.run(["gzip", "-t", target], check=True)
    image = tmp_path / "image"
    image.write_bytes(subprocess.run(["zcat", target], capture_output=True, check=True).stdout)
    subprocess.run([find_tool("e2fsck") or "", "-fn", image], check=True, capture_output=True)

    def ask(request: str) -> str:
        command = [find_tool("debugfs") or "", "-R", request, str(image)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert ask("cat answer") == "answer\n"
    assert ask("cat lib/gfs.o") == "gfs"
    assert "Device major/minor number: 05:01" in ask("stat dev/console")
    assert _left_over(tmp_path) == []
    assert tree.find("initrd-ssi.img") is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo to be or; echo not to be >&2; exit 7", "(?s)to be or.*not to be.*ended with status 7"),
        ("mkdir initrd-ssi.img", "the program has left no file /initrd-ssi.img"),
    ],
)
def test_the_error_of_a_program_that_fails_has_its_output(
    chrooting: Appliance, tmp_path: Path, script: str, why: str
) -> None:
    tree = _tree(chrooting, tmp_path)
    target = tmp_path / "initrd-ssi.img"
    with pytest.raises(SsiumlError, match=why):
        run_in_tree(chrooting, tree, ["/bin/sh", "-c", script], "initrd-ssi.img", target)
    assert not target.exists()
    assert _left_over(tmp_path) == []


def test_a_program_is_ended_at_its_time_limit(chrooting: Appliance, tmp_path: Path) -> None:
    tree = _tree(chrooting, tmp_path)
    short = replace(chrooting, timeout_s=4)
    with pytest.raises(SsiumlError, match="not finished after 4 s, ended"):
        run_in_tree(short, tree, ["/bin/sh", "-c", "while :; do :; done"], "x", tmp_path / "x")


def test_the_error_for_a_missing_emulator_says_how_to_install_it(
    chrooting: Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = _tree(chrooting, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(running, "SYSTEM_DIRS", ())
    with pytest.raises(SsiumlError) as error:
        run_in_tree(chrooting, tree, ["/sbin/answer"], "x", tmp_path / "x")
    assert "/sbin/answer: needs 32-bit programs; the appliance runs them by qemu-i386-static" in str(
        error.value
    )
    assert "apt-get install --no-install-recommends qemu-user-static" in str(error.value)


def test_tree_without_the_program_is_an_error(chrooting: Appliance, tmp_path: Path) -> None:
    tree = Tree()
    tree.add("bin/sh", symlink("ash"))
    with pytest.raises(SsiumlError, match=r"cluster_mkinitrd: is not in the tree \(in /sbin"):
        run_cluster_mkinitrd(chrooting, tree, VERSION, tmp_path / "initrd-ssi.img")
