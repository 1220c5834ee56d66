"""The reader finds what mke2fs and debugfs put into an image, and reads what debugfs reads."""

import re
import subprocess
from pathlib import Path

import pytest
from ext2_images import NS, HoledFile, ask, change, is_damaged, make_image, pieces_of, some_tree
from odd_trees import ACL, CAPABILITY, pattern
from programs import tool

from ssiuml.formats.ext2.filesystem import Ext2Error
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.tree.compare import Census, differences, take_census
from ssiuml.tree.extents import Extents
from ssiuml.tree.folders import read_folder_tree
from ssiuml.tree.layer import merge, read_layer, write_tree
from ssiuml.tree.tree import Extent, Kind, Literal, Meta, Tree, directory, file, symlink
from ssiuml.units import MIB

KINDS = {  # options of mke2fs by name
    "rh72": ("-t", "ext2", "-b", "1024", "-r", "0"),
    "ext2-4k": ("-t", "ext2", "-b", "4096", "-I", "128"),
    "no-types": (
        "-t",
        "ext2",
        "-b",
        "2048",
        "-I",
        "256",
        "-O",
        "^filetype,^sparse_super,^large_file,^resize_inode",
    ),
    "ext3": ("-t", "ext3", "-b", "1024", "-I", "256"),
    "ext4": ("-t", "ext4", "-b", "4096"),
    "ext4-1k": ("-t", "ext4", "-b", "1024", "-O", "inline_data"),
    "ext4-64bit": ("-t", "ext4", "-b", "4096", "-I", "512", "-O", "64bit,metadata_csum,inline_data"),
}
BLOCK_SIZES = {"rh72": 1024, "ext3": 1024, "ext4-1k": 1024, "no-types": 2048}
# Data behind every kind of pointer: direct, indirect, double and triple indirect.
HOLED = (
    HoledFile("all-heights", 69 * MIB + 1024, (0, 11 << 10, 20 << 10, MIB, 2 * MIB, 60 * MIB, 69 * MIB)),
    HoledFile("one-hole", 5 * MIB, ()),
    HoledFile("fragmented", 1023 << 10, tuple(range(0, 1023 << 10, 2 << 10))),
    HoledFile("hole-at-both-ends", 300_000, (100 << 10,)),
)


@pytest.mark.parametrize("kind", KINDS)
def test_reader_finds_everything_that_mke2fs_puts_in(kind: str, tmp_path: Path) -> None:
    tree = some_tree(BLOCK_SIZES.get(kind, 4096))
    # With inline_data mke2fs 1.47 loses a hole at the end of a file.
    holed = HOLED[:3] if "inline_data" in KINDS[kind][-1] else HOLED
    image = make_image(tmp_path / "image", tree, "-N", "4096", *KINDS[kind], size_mib=24, holed=holed)
    before = image.read_bytes()
    seen = read_ext2(image)
    assert differences(take_census(tree), take_census(seen)) == []
    assert pieces_of(seen.lookup("all-heights")) >= 5
    if kind == "ext4-1k":  # three levels: the inode, indexes, leaves
        assert re.search(r"^ *2/ *2 ", ask(image, "extents /fragmented"), re.MULTILINE)
    assert not is_damaged(image)
    assert image.read_bytes() == before
    # An index over the directories does not change the names that are read in order.
    tool("e2fsck", "-f", "-y", "-D", image, ok=(0, 1))
    assert differences(take_census(tree), take_census(read_ext2(image))) == []


def test_debugfs_finds_the_same_contents(tmp_path: Path) -> None:
    tree = some_tree(1024)
    tree.remove("modes/none")  # an ordinary user could not read it
    image = make_image(tmp_path / "image", tree, *KINDS["ext3"], "-N", "4096", holed=HOLED[1:])
    out = tmp_path / "out"
    out.mkdir()
    tool("debugfs", "-R", f"rdump / {out}", image)
    foreign = read_folder_tree(out)
    foreign.remove("lost+found")
    seen = read_ext2(image)

    def plain(census: Census) -> dict[str, tuple[object, ...]]:
        # rdump makes no devices and no set-id bits, and for an ordinary user sets no owners.
        facts = census.in_whole_seconds().facts
        return {
            path: (one.kind, one.mode & 0o777, one.sha256, one.target)
            for path, one in facts.items()
            if path and one.kind in "fdl"
        }

    expected, found = plain(take_census(foreign)), plain(take_census(seen))
    assert found == expected


@pytest.mark.parametrize("kind", ["rh72", "ext4"])
def test_debugfs_shows_the_same_metadata_for_every_inode(kind: str, tmp_path: Path) -> None:
    tree = some_tree(BLOCK_SIZES.get(kind, 4096))
    image = make_image(tmp_path / "image", tree, *KINDS[kind], "-N", "4096")
    # Nanoseconds, and years after 2038 and before 1970, if the inode has room for them.
    wanted = (
        (-1, 999_999_999),
        (-(2**31), 0),
        (2**31, 1),
        (2**32 - 1, 5),
        (2**32, 123_456_789),
        (3 * 2**32, 7),
        (14_000_000_000, 0),
    )
    if kind == "ext4":
        for number, (seconds, nanoseconds) in enumerate(wanted):
            word = (seconds - ((seconds + 2**31) % 2**32 - 2**31) >> 32 & 3) | nanoseconds << 2
            low = seconds & 0xFFFFFFFF
            change(
                image,
                f"set_inode_field /many/{number:05} mtime @{low}",
                f"set_inode_field /many/{number:05} mtime_extra {word}",
            )
    seen = read_ext2(image)
    if kind == "ext4":
        for number, (seconds, nanoseconds) in enumerate(wanted):
            assert seen.lookup(f"many/{number:05}", follow=False).meta.mtime_ns == seconds * NS + nanoseconds
    names = [path for path, node in seen.walk() if path.isascii() and "\n" not in path and path]
    names = [name for name in names if not name.startswith(("linked/", "many/001", "deep/deep/deep"))]
    requests = tmp_path / "requests"
    requests.write_text("".join(f"stat /{name}\n" for name in names))
    answers = tool("debugfs", "-f", requests, image).split("debugfs: stat ")[1:]
    assert len(answers) == len(names)
    letters = {"regular": "f", "directory": "d", "symlink": "l", "FIFO": "p", "socket": "s"}
    letters |= {"character special": "c", "block special": "b"}
    for name, answer in zip(names, answers, strict=True):
        node = seen.lookup(name, follow=False)
        found = re.search(r"Type: (.*?) +Mode: +(\d+) ", answer)
        assert found, answer
        assert letters[found[1]] == node.kind.value, answer
        assert int(found[2], 8) == node.meta.mode, answer
        owner = re.search(r"User: +(-?\d+) +Group: +(-?\d+)", answer)
        assert owner, answer
        assert (int(owner[1]) & 0xFFFFFFFF, int(owner[2]) & 0xFFFFFFFF) == (node.meta.uid, node.meta.gid)
        time = re.search(r"mtime: 0x([0-9a-f]+)(?::([0-9a-f]+))?", answer)
        assert time, answer
        extra = int(time[2] or "0", 16)
        low = int(time[1], 16)
        signed = low - (1 << 32) if low >> 31 else low
        assert node.meta.mtime_ns == (signed + ((extra & 3) << 32)) * NS + (extra >> 2), answer
        if node.device:
            device = re.search(r"Device major/minor number: (\d+):(\d+)", answer)
            assert device, answer
            assert (int(device[1]), int(device[2])) == node.device


def test_attributes_are_found_in_the_inode_and_in_the_block_of_attributes(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", Tree(Meta(mode=0o755)), *KINDS["ext4"])
    values = {
        "user.a": b"x",
        "user.large": pattern(1500),
        "security.capability": CAPABILITY,
        "trusted.t": pattern(40),
        "system.posix_acl_access": ACL,
    }
    for name, value in values.items():
        (tmp_path / name).write_bytes(value)
    requests = [f"ea_set -f {tmp_path / name} /file {name}" for name in values]
    write = f"write {tmp_path / 'user.large'} file"
    change(
        image,
        write,
        f"write {tmp_path / 'user.a'} other",
        *requests,
        f"ea_set -f {tmp_path}/user.a /other user.a",
    )
    assert "Extended attributes" in ask(image, "stat /file")
    seen = read_ext2(image)
    assert dict(seen.lookup("file").meta.xattrs) == values
    assert dict(seen.lookup("other").meta.xattrs) == {"user.a": b"x"}
    assert "File ACL: 0 " not in ask(image, "stat /file")
    assert not is_damaged(image)


def test_inodes_share_a_block_of_attributes(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    for name in "ab":
        tree.add(name, file(Literal(b"x"), Meta(mode=0o644)))
    image = make_image(tmp_path / "image", tree, *KINDS["ext2-4k"])
    (tmp_path / "value").write_bytes(pattern(2000))
    change(image, f"ea_set -f {tmp_path / 'value'} /a user.large")
    found = re.search(r"File ACL: (\d+)", ask(image, "stat /a"))
    assert found
    change(image, f"set_inode_field /b file_acl {found[1]}", "set_inode_field /b blocks 16")
    # e2fsck corrects only the count of inodes that share the block.
    tool("e2fsck", "-f", "-y", image, ok=(1,))
    seen = read_ext2(image)
    assert seen.lookup("a").meta.xattrs == {"user.large": pattern(2000)}
    assert seen.lookup("b").meta.xattrs is seen.lookup("a").meta.xattrs


def test_link_with_a_block_of_attributes_is_still_a_fast_symlink(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("link", symlink("target"))
    image = make_image(tmp_path / "image", tree, *KINDS["ext2-4k"])
    change(image, "ea_set /link trusted.a value")
    node = read_ext2(image).lookup("link", follow=False)
    assert (node.target, node.meta.xattrs) == ("target", {"trusted.a": b"value"})


def test_file_larger_than_4_gib_has_the_pieces_that_were_written(tmp_path: Path) -> None:
    size = (5 << 30) + 77
    large = HoledFile("large", size, (0, 3 << 30, size - 1000))
    image = make_image(tmp_path / "image", Tree(Meta(mode=0o755)), *KINDS["ext2-4k"], holed=(large,))
    content = read_ext2(image).lookup("large").content
    assert isinstance(content, Extents)
    assert content.size_bytes == size
    pieces = [(offset - offset % 4096) >> 12 for offset, _, _ in content.pieces]
    assert {0, (3 << 30) >> 12, (size - 1000) >> 12} == set(pieces)
    with image.open("rb") as stream:
        offset, source, length = content.pieces[-1]
        stream.seek(source)
        assert stream.read(length)[size - 1000 - offset :] == pattern(1024)[:1000]
        assert offset + length == size


def test_preallocated_blocks_are_zeros(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("file", file(Literal(pattern(20_000)), Meta(mode=0o644)))
    image = make_image(tmp_path / "image", tree, *KINDS["ext4"])
    change(image, "fallocate /file 5 40", "set_inode_field /file size 100000")
    assert "Uninit" in ask(image, "extents /file")
    assert read_ext2(image).lookup("file").read() == pattern(20_000).ljust(100_000, b"\0")
    ask(image, f"dump /file {tmp_path / 'dumped'}")
    assert (tmp_path / "dumped").read_bytes() == pattern(20_000).ljust(100_000, b"\0")


def test_file_with_chattr_c_is_read_and_a_compressed_one_is_an_error(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("file", file(Literal(b"abc"), Meta(mode=0o644)))
    image = make_image(tmp_path / "image", tree, *KINDS["ext2-4k"])
    change(image, "set_inode_field /file flags 0x4")  # chattr +c
    assert not is_damaged(image)
    assert read_ext2(image).lookup("file").read() == b"abc"
    change(image, "set_inode_field /file flags 0x204")
    with pytest.raises(Ext2Error, match=r"inode \d+: i_flags: 0x00000204: it is compressed"):
        read_ext2(image)


def test_files_in_one_piece_are_plain_extents(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("small", file(Literal(b"abc"), Meta(mode=0o644)))
    tree.add("empty", file(Literal(b""), Meta(mode=0o644)))
    image = make_image(tmp_path / "image", tree, *KINDS["ext2-4k"])
    seen = read_ext2(image)
    assert isinstance(seen.lookup("small").content, Extent)
    assert seen.lookup("empty").content == Literal(b"")


def test_lost_and_found_in_the_root_is_left_out_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("home/lost+found", directory(Meta(mode=0o700)))
    image = make_image(tmp_path / "image", tree, *KINDS["rh72"])
    assert sorted(read_ext2(image).children("")) == ["home"]
    assert read_ext2(image).find("home/lost+found") is not None
    kept = read_ext2(image, keep_lost_found=True)
    assert kept.lookup("lost+found").kind is Kind.DIRECTORY
    assert kept.lookup("lost+found").meta.mode == 0o700


def test_tar_unpacks_an_archive_of_the_image_to_the_same_files(tmp_path: Path) -> None:
    tree = some_tree(1024)
    tree.remove("special")  # a tar archive cannot hold sockets, and an ordinary user cannot make devices
    tree.remove("modes/none")  # an ordinary user could not read it
    image = make_image(tmp_path / "image", tree, *KINDS["rh72"], "-N", "4096", holed=HOLED[1:])
    seen = read_ext2(image)
    write_tree(tmp_path / "layer.tar", seen)
    assert differences(take_census(seen), take_census(merge([read_layer(tmp_path / "layer.tar")]))) == []
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "layer.tar", "--no-same-owner", "-C", out], check=True)
    unpacked = take_census(read_folder_tree(out)).facts
    wanted = take_census(tree).facts
    assert {path: (one.kind, one.sha256, one.target, one.first_name) for path, one in unpacked.items()} == {
        path: (one.kind, one.sha256, one.target, one.first_name) for path, one in wanted.items()
    }
