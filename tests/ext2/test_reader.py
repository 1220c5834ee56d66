"""ext2 images that mke2fs and debugfs have made: the tree in them, and damage."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from gfs_tools import tool

from ssiuml.compare import differences, take_census
from ssiuml.errors import SsiumlError
from ssiuml.ext2.filesystem import Ext2Error
from ssiuml.ext2.reader import read_ext2
from ssiuml.ext2.structures import GroupDescriptor, InodeRecord, Superblock
from ssiuml.layer import merge, read_layer, write_tree
from ssiuml.ondisk import OnDisk
from ssiuml.scan import scan_folder
from ssiuml.tree import Kind, Tree

OLD = ("-t", "ext2", "-I", "128", "-O", "none,filetype,sparse_super")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something of every kind, with contents of every height of block pointers."""
    top = tmp_path_factory.mktemp("source") / "tree"
    (top / "many").mkdir(parents=True)
    for number in range(600):
        (top / "many" / f"a rather long name number {number}").touch()
    chance = random.Random(1)  # noqa: S311
    for size in (1, 1023, 1024, 4096, 12 * 1024, 12 * 1024 + 1, 300_000, 2_000_000, 70_000_000):
        (top / f"size-{size}").write_bytes(chance.randbytes(min(size, 100_000)) * -(-size // 100_000))
        os.truncate(top / f"size-{size}", size)
    with (top / "sparse").open("wb") as stream:
        stream.write(b"begin")
        stream.seek(30_000_000)
        stream.write(b"end")
    (top / "sub").mkdir(mode=0o2750)
    (top / "set-id").write_text("x")
    (top / "set-id").chmod(0o6755)
    os.link(top / "set-id", top / "sub" / "linked")
    (top / "short").symlink_to("sub/linked")
    (top / "long").symlink_to("/" + "x" * 100)
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "fifo")
    (top / os.fsdecode(b"caf\xe9")).write_text("Latin-1")
    for number, path in enumerate(sorted(top.rglob("*"))):
        os.utime(path, ns=(0, (1_000_000_000 + number) * 10**9), follow_symlinks=False)
    os.utime(top / "sub", (0, -5_000_000))
    return top


def image_of(folder: Path, target: Path, *options: str, size: str = "160M") -> Path:
    tool("mke2fs", "-q", "-F", *options, "-d", folder, target, size)
    tool("e2fsck", "-fn", target)
    return target


def without_lost_and_found(tree: Tree) -> Tree:
    tree.remove("lost+found")
    return tree


@pytest.mark.parametrize(
    "options",
    [
        (*OLD, "-b", "1024"),
        (*OLD, "-b", "2048"),
        (*OLD, "-b", "4096"),
        ("-t", "ext2", "-r", "0", "-b", "1024"),
        ("-t", "ext2", "-I", "256", "-b", "4096"),
        ("-t", "ext3", "-b", "1024"),
    ],
    ids=" ".join,
)
def test_tree_is_that_of_the_folder(folder: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    image = image_of(folder, tmp_path / "image", *options)
    tree = without_lost_and_found(read_ext2(image))
    expected = scan_folder(folder)
    tree.root.meta = expected.root.meta  # mke2fs keeps its own root
    assert differences(take_census(expected), take_census(tree)) == []
    # Written as a layer and read again it is still the same, now without the image.
    write_tree(tmp_path / "layer.tar", tree)
    image.unlink()
    assert take_census(merge([read_layer(tmp_path / "layer.tar")])) == take_census(expected)


def test_gnu_tar_has_the_same_bytes_as_debugfs(folder: Path, tmp_path: Path) -> None:
    image = image_of(folder, tmp_path / "image", *OLD, "-b", "1024")
    write_tree(tmp_path / "layer.tar", read_ext2(image))
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    tool("tar", "-xf", tmp_path / "layer.tar", "-C", tmp_path / "ours")
    tool("debugfs", "-R", f"rdump / {tmp_path / 'theirs'}", image)
    assert tool("diff", "-r", "--no-dereference", "-x", "fifo", tmp_path / "ours", tmp_path / "theirs") == ""


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """An image of one file `f`, to be changed with debugfs."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "f").write_text("contents")
    return image_of(tmp_path / "source", tmp_path / "image", *OLD, "-b", "1024", size="4M")


def debugfs(image: Path, *commands: str) -> None:
    subprocess.run(
        ["debugfs", "-w", "-f", "-", image],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )


def test_devices_owners_and_times_are_those_that_debugfs_has_set(changed: Path) -> None:
    debugfs(
        changed,
        "mkdir dev",
        "cd dev",
        "mknod ubd1 b 98 1",
        "mknod new c 300 5",
        "cd /",
        "sif f uid 100001",
        "sif f gid 65534",
        "sif f mode 0104711",
        "sif f mtime @-86400",
        "sif dev/ubd1 mode 060660",
    )
    tree = read_ext2(changed)
    assert (tree.lookup("dev/ubd1").kind, tree.lookup("dev/ubd1").device) == (Kind.BLOCK, (98, 1))
    assert tree.lookup("dev/ubd1").meta.mode == 0o660
    assert (tree.lookup("dev/new").kind, tree.lookup("dev/new").device) == (Kind.CHARACTER, (300, 5))
    meta = tree.lookup("f").meta
    assert (meta.uid, meta.gid, meta.mode, meta.mtime_ns) == (100001, 65534, 0o4711, -86400 * 10**9)


@pytest.mark.parametrize("inode_size", ["128", "256"])
def test_extended_attributes_and_acls_are_read(tmp_path: Path, inode_size: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_text("x")
    os.setxattr(source / "f", "user.short", b"value")
    os.setxattr(source / "f", "user.long", bytes(range(200)))
    acl = bytes.fromhex(
        "02000000 01000600ffffffff 0200040039300000 04000400ffffffff 10000600ffffffff 20000400ffffffff"
    )
    os.setxattr(source / "f", "system.posix_acl_access", acl)
    image = image_of(source, tmp_path / "image", "-t", "ext2", "-I", inode_size, "-b", "4096", size="8M")
    assert read_ext2(image).lookup("f").meta.xattrs == {
        "user.short": b"value",
        "user.long": bytes(range(200)),
        "system.posix_acl_access": acl,
    }


def test_large_directories_with_a_hash_tree_are_read(folder: Path, tmp_path: Path) -> None:
    image = image_of(folder, tmp_path / "image", "-t", "ext2", "-O", "dir_index", "-b", "1024")
    subprocess.run(["e2fsck", "-fyD", image], capture_output=True, check=False)
    assert "Indirect levels" in tool("debugfs", "-R", "htree_dump /many", image)
    assert len(read_ext2(image).lookup("many").children) == 600


# What is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-t", "ext4"), "has features that are not read here: extents, bits64"),
        (("-t", "ext2", "-O", "meta_bg,^resize_inode"), "not read here: meta_bg"),
    ],
)
def test_unknown_features_are_named(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "source").mkdir()
    image = image_of(tmp_path / "source", tmp_path / "image", *options, size="16M")
    with pytest.raises(Ext2Error, match="mke2fs -t ext2") as caught:
        read_ext2(image)
    assert said in str(caught.value)


def test_journal_that_was_not_replayed_is_refused_with_the_way_out(changed: Path) -> None:
    debugfs(changed, "feature has_journal needs_recovery")
    with pytest.raises(Ext2Error, match="e2fsck -fy COPY"):
        read_ext2(changed)


def test_what_is_no_ext2_is_told(tmp_path: Path) -> None:
    for data, said in (
        (b"", "only 0 bytes"),
        (bytes(1 << 20), "no magic 0xef53"),
        (b"BZh" * 1000, "no magic"),
    ):
        (tmp_path / "image").write_bytes(data)
        with pytest.raises(Ext2Error, match=said):
            read_ext2(tmp_path / "image")
    with pytest.raises(Ext2Error, match="No such file"):
        read_ext2(tmp_path / "absent")


def test_image_that_was_cut_off_is_told_with_both_sizes(changed: Path) -> None:
    os.truncate(changed, 2 << 20)
    with pytest.raises(Ext2Error, match=r"has 4 MiB, the image 2 MiB: was it cut off"):
        read_ext2(changed)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sif f block[0] 999999", "inode 12: points to block 999999, there are 4096"),
        ("sif f block[IND] 5000000", "inode 12: points to block 5000000"),
        ("sif f size 0x7fffffffff", "inode 12: is said to have 512 GiB"),
        ("sif f mode 0", "inode 12: is not in use"),
        ("sif f links_count 0", "inode 12: is not in use"),
        ("sif / size 1000", "a directory of 1000 bytes"),
        ("ln / loop", "a directory that has two names"),
    ],
)
def test_damage_is_told_with_inode_and_what_is_wrong(changed: Path, command: str, said: str) -> None:
    debugfs(changed, "sif f size 20000" if "IND" in command else "stat f", command)
    with pytest.raises(Ext2Error) as caught:
        read_ext2(changed)
    assert said in str(caught.value)


def test_names_with_a_slash_never_come_out(changed: Path) -> None:
    data = bytearray(changed.read_bytes())
    at = data.index(b"lost+found")
    data[at : at + 10] = b"../../evil"
    changed.write_bytes(data)
    with pytest.raises(Ext2Error, match="cannot be the name of a file"):
        read_ext2(changed)


def read_all(image: Path) -> None:
    for _, node in read_ext2(image).walk():
        if node.content is not None:
            for _ in node.content.chunks():
                pass


def test_some_hundred_damaged_images_neither_crash_the_reader_nor_hang_it(
    folder: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    shutil.copytree(
        folder, small, symlinks=True, ignore=shutil.ignore_patterns("size-7*", "size-2*", "fifo", "sp*")
    )
    image = image_of(small, tmp_path / "image", *OLD, "-b", "1024", size="6M")
    whole = image.read_bytes()
    used = [at for at in range(0, len(whole), 512) if any(whole[at : at + 512])]
    chance = random.Random(2)  # noqa: S311
    seen = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 5, 50])):
            at = chance.choice(used) + chance.randrange(0, 512, 4)
            data[at : at + 4] = chance.choice([bytes(4), b"\xff" * 4, chance.randbytes(4)])
        image.write_bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
        try:
            read_all(image)
        except SsiumlError:
            seen += 1
    assert seen > 100


# The structures


def test_structures_lie_where_the_kernels_documentation_has_them() -> None:
    offsets: dict[type[OnDisk], dict[str, int]] = {
        Superblock: {"s_log_block_size": 0x18, "s_magic": 0x38, "s_rev_level": 0x4C, "s_inode_size": 0x58},
        GroupDescriptor: {"bg_inode_table": 0x8},
        InodeRecord: {
            "i_mtime": 0x10,
            "i_gid": 0x18,
            "i_block": 0x28,
            "i_file_acl": 0x68,
            "l_i_uid_high": 0x78,
        },
    }
    for structure, places in offsets.items():
        assert {name: structure.offset_of(name) for name in places} == places
    sizes: dict[type[OnDisk], int] = {
        Superblock: 0x68,
        GroupDescriptor: 32,
        InodeRecord: 128,
    }
    assert {structure: structure.size_bytes() for structure in sizes} == sizes
