"""A defect in an image is one error with its place; e2fsck finds the same images damaged."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ext2_images import ask, change, is_damaged, make_image
from odd_trees import pattern
from programs import tool

from ssiuml.formats.ext2.filesystem import Ext2Error
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.host import files
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink

EXT2, EXT4 = ("-t", "ext2", "-b", "1024"), ("-t", "ext4", "-b", "1024", "-O", "^metadata_csum")


def small_tree() -> Tree:
    tree = Tree(Meta(mode=0o755))
    tree.add("file", file(Literal(pattern(20_000)), Meta(mode=0o644)))
    tree.add("large", file(Literal(pattern(400_000)), Meta(mode=0o644)))
    tree.add("folder/inner", directory(Meta(mode=0o755)))
    tree.add("folder/victim-name", file(Literal(b"x"), Meta(mode=0o644)))
    tree.add("folder/victim-nam2", file(Literal(b"x"), Meta(mode=0o644)))
    tree.add("folder/zz", file(Literal(b"x"), Meta(mode=0o644)))
    tree.add("link", symlink("target"))
    tree.add("slow", symlink("t" * 100))
    tree.add("disk", Node(Kind.BLOCK, Meta(mode=0o600), device=(98, 0)))
    return tree


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Path]:
    folder: Path = tmp_path_factory.mktemp("images")
    kinds = enumerate((EXT2, EXT4))
    return {options: make_image(folder / f"{n}", small_tree(), *options, size_mib=4) for n, options in kinds}


def refusal(image: Path) -> str:
    with pytest.raises(Ext2Error) as caught:
        read_ext2(image)
    text = str(caught.value)
    assert text.startswith(f"{image}: "), text
    return text


def block_of(image: Path, path: str, index: int = 0) -> int:
    found = re.search(r"^\d+$", ask(image, f"bmap {path} {index}"), re.MULTILINE)
    assert found
    return int(found[0])


def inode_of(image: Path, path: str) -> int:
    found = re.search(r"Inode: (\d+)", ask(image, f"stat {path}"))
    assert found
    return int(found[1])


def replace(old: bytes, new: bytes) -> Callable[[Path], None]:
    def edit(image: Path) -> None:
        data = image.read_bytes()
        assert data.count(old) == 1, data.count(old)
        image.write_bytes(data.replace(old, new))

    return edit


def fields(*pairs: str) -> Callable[[Path], None]:
    """Set fields of inodes: "PATH FIELD VALUE", where BLOCK(PATH) is the first block of PATH."""

    def edit(image: Path) -> None:
        requests = [
            re.sub(r"BLOCK\((.*?)\)", lambda found: str(block_of(image, found[1])), pair) for pair in pairs
        ]
        change(image, *[f"set_inode_field {request}" for request in requests])

    return edit


def requests(*words: str) -> Callable[[Path], None]:
    return lambda image: void(change(image, *words))


def void(_: object) -> None:
    return None


def in_block(path: str, index: int, offset: int, data: bytes) -> Callable[[Path], None]:
    """Write *data* into block *index* of a file, or for -1 into its indirect block or node of extents."""

    def edit(image: Path) -> None:
        if index >= 0:
            number = block_of(image, path, index)
        else:
            found = re.search(r"\((?:IND|ETB\d+)\):(\d+)", ask(image, f"stat {path}"))
            assert found
            number = int(found[1])
        with image.open("r+b") as stream:
            stream.seek(number * 1024 + offset)
            stream.write(data)

    return edit


def le32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def indirect_loop(image: Path) -> None:
    """Make the indirect block point to itself."""
    found = re.search(r"\(IND\):(\d+)", ask(image, "stat /large"))
    assert found
    in_block("/large", -1, 8, le32(int(found[1])))(image)


CASES: dict[str, tuple[tuple[str, ...], Callable[[Path], None], str]] = {
    "outside": (EXT2, fields("/file block[3] 99999999"), r"i_block: points to block 99999999, outside"),
    "superblock": (EXT2, fields("/file block[3] 1"), r"i_block: points to block 1, outside"),
    "in-a-table": (EXT2, fields("/file block[3] 20"), r"i_block: block 20 belongs to something else"),
    "twice": (EXT2, fields("/file block[3] BLOCK(/folder)"), r"block \d+ belongs to something else already"),
    "indirect-loop": (EXT2, indirect_loop, r"of inode \d+: indirect block: block \d+ belongs to something"),
    "indirect-outside": (
        EXT2,
        in_block("/large", -1, 0, b"\xff" * 4),
        r"indirect block: points to block 4294967295, outside",
    ),
    "cycle": (EXT2, requests("link /folder /folder/inner/up"), r"'up': is a second name of the directory"),
    "second-name": (EXT2, requests("link /folder /again"), r"is a second name of the directory in inode \d+"),
    "root-again": (EXT2, requests("link / /folder/root"), r"'root': leads to inode 2, which is reserved"),
    "journal-named": (EXT4, requests("link <8> /journal"), r"'journal': leads to inode 8, which is reserved"),
    "slash": (EXT2, replace(b"victim-name", b"victim/name"), r"b'victim/name' cannot be a name"),
    "nul": (EXT2, replace(b"victim-name", b"victim\0name"), r"b'victim\\x00name' cannot be a name"),
    "dot": (EXT2, replace(b"\x02\x01zz", b"\x01\x01.\0"), r"dirent: b'.' is there twice"),
    "dots": (EXT2, replace(b"\x02\x01zz", b"\x02\x01.."), r"dirent: b'..' is there twice"),
    "no-name": (EXT2, replace(b"\x02\x01zz", b"\x00\x01zz"), r"name_len 0 at byte \d+ is impossible"),
    "name-too-long": (EXT2, replace(b"\x0b\x01victim-name", b"\xff\x01victim-name"), r"name_len 255 at byte"),
    "type": (EXT2, replace(b"\x02\x01zz", b"\x02\x02zz"), r"file_type is 'd', inode \d+ is 'f'"),
    "type-unknown": (EXT2, replace(b"\x02\x01zz", b"\x02\x63zz"), r"file_type 99 of b'zz' is no kind"),
    "same-name": (EXT2, replace(b"victim-nam2", b"victim-name"), r"b'victim-name': is there twice"),
    "rec-len": (EXT2, in_block("/folder", 0, 4, b"\x07\0"), r"dirent: rec_len 7 at byte 0 is impossible"),
    "rec-len-0": (EXT2, in_block("/folder", 0, 4, b"\0\0"), r"dirent: rec_len 0 at byte 0 is impossible"),
    "dot-elsewhere": (EXT2, in_block("/folder", 0, 0, le32(12)), r"b'.' leads to inode 12, it should lead"),
    "parent": (EXT2, in_block("/folder/inner", 0, 12, le32(2)), r"b'..' leads to inode 2, it should lead"),
    "inode-outside": (EXT2, in_block("/folder", 0, 24, le32(1 << 31)), r"inode 2147483648 is not within"),
    "free-inode": (EXT2, fields("/file links_count 0"), r"i_links_count: is 0, but dirent b'file' in block"),
    "no-kind": (EXT2, fields("/file mode 0170644"), r"i_mode: 0170644 is no kind of file"),
    "huge": (EXT2, fields("/file size 0x4000000000000000"), r"i_size: \d+ is more than the \d+ it can have"),
    "negative": (EXT2, fields("/file size 0x8000000000000000"), r"i_size: \d+ is more than a file can have"),
    "short": (EXT2, fields("/large size 1000"), r"i_size: 1000 ends before block 390 of the contents"),
    "hole": (EXT2, fields("/folder block[0] 0"), r"i_size: 1024 of a directory with 0 blocks"),
    "folder-size": (EXT2, fields("/folder size 1000"), r"i_size: 1000 of a directory with blocks of 1024"),
    "folder-huge": (EXT2, fields("/folder size 0x40000000"), r"i_size: 1073741824 of a directory"),
    "link-empty": (EXT2, fields("/link size 0"), r"symbolic link: b'' cannot be a target"),
    "link-nul": (EXT2, fields("/link size 50"), r"symbolic link: b'target.* cannot be a target"),
    "link-long": (EXT2, fields("/link size 2000"), r"i_size: 2000 of a symbolic link without blocks"),
    "slow-link-long": (EXT2, fields("/slow size 2000"), r"i_size: 2000 of a symbolic link, whose target"),
    "attributes": (EXT2, fields("/file file_acl BLOCK(/slow)"), r"attribute header|i_file_acl"),
    "extent-magic": (EXT4, fields("/file block[0] 0"), r"extents: eh_magic 0x0000 instead of 0xf30a"),
    "extent-outside": (EXT4, fields("/file block[5] 99999999"), r"ee_start: points to block \d+, outside"),
    "extent-length": (EXT4, fields("/file block[4] 0"), r"extents: ee_block 0, ee_len 0 is not within 0 to"),
    "extent-depth": (EXT4, fields("/file block[1] 0x00060004"), r"extents: eh_depth 6 is more than 5"),
    "extent-room": (EXT4, fields("/file block[0] 0x0009f30a"), r"eh_entries 9, eh_max 4: there is"),
    "extent-loop": (
        EXT4,
        # One index, to a block that belongs to the file system itself.
        fields("/file block[1] 0x00010004", "/file block[3] 0", "/file block[4] 2", "/file block[5] 0"),
        r"ei_leaf: block 2 belongs to something else already",
    ),
    "extra-size": (EXT4, fields("/file extra_isize 3"), r"i_extra_isize: 3 does not fit an inode of 256"),
    "extra-large": (EXT4, fields("/file extra_isize 132"), r"i_extra_isize: 132 does not fit an"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_defect_is_an_error_with_its_inode_or_block(
    case: str, images: dict[tuple[str, ...], Path], tmp_path: Path
) -> None:
    options, damage, message = CASES[case]
    image = tmp_path / "image"
    files.copy(images[options], image)
    assert read_ext2(image).find("file") is not None
    assert not is_damaged(image)
    damage(image)
    text = refusal(image)
    assert re.search(message, text), text
    assert re.search(r": (inode \d+|block \d+ of inode \d+): ", text), text
    assert text.endswith(f"cp {image} COPY && e2fsck -fy COPY")
    assert is_damaged(image)


@pytest.mark.parametrize(
    ("offset", "data", "message"),
    [
        (0x18, le32(9), "superblock: s_log_block_size: 9 is more than 6"),
        (0x14, le32(7), "superblock: s_first_data_block: 7 with blocks of 1024 bytes"),
        (0x20, le32(3), "superblock: s_blocks_per_group: 3 is not within 256 to 8192"),
        (0x28, le32(0), "superblock: s_inodes_per_group: 0 is not within 1 to 8192"),
        (0x00, le32(1 << 30), "superblock: s_inodes_count: 1073741824 is more than"),
        (0x04, le32(1), "superblock: s_blocks_count: 1 leaves no block"),
        (0x04, le32(4097), "has 4194304 of the 4195328 bytes in its superblock"),
        (0x58, b"\x01\x01", "superblock: s_inode_size: 257 is no power of 2"),
        (0x54, le32(1), "superblock: s_first_ino: 1 is less than 11"),
        (0x4C, le32(2), "superblock: s_rev_level: 2 is more than 1"),
        (0x38, b"\0\0", "has no ext2 superblock at byte 1024: 0x0000 instead of the magic 0xef53"),
        (0x408, le32(99_999), "group 0: bg_inode_table: points to block"),
        (0x400, le32(2), "group 0: bg_block_bitmap: block 2 belongs to something else"),
    ],
)
def test_impossible_value_in_the_superblock_is_an_error(
    offset: int, data: bytes, message: str, images: dict[tuple[str, ...], Path], tmp_path: Path
) -> None:
    image = tmp_path / "image"
    files.copy(images[EXT2], image)
    with image.open("r+b") as stream:
        stream.seek(1024 + offset)
        stream.write(data)
    assert message in refusal(image)


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("compression", 0x1),
        ("journal_dev", 0x8),
        ("meta_bg", 0x10),
        ("ea_inode", 0x400),
        ("large_dir", 0x4000),
        ("encrypt", 0x10000),
        ("casefold", 0x20000),
        ("incompat 0x80000000", 0x80000000),
    ],
)
def test_feature_that_cannot_be_read_is_an_error_with_its_name(
    name: str, bits: int, images: dict[tuple[str, ...], Path], tmp_path: Path
) -> None:
    image = tmp_path / "image"
    files.copy(images[EXT2], image)
    with image.open("r+b") as stream:
        stream.seek(1024 + 0x60)
        stream.write(le32(2 | bits))
    assert f"has the feature {name}, with which it cannot be read" in refusal(image)
    if not name.startswith(("incompat", "compression")):  # dumpe2fs has the same name for it
        assert name in tool("dumpe2fs", "-h", image, ok=(0, 1))


def test_bigalloc_is_an_error_with_its_name(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", Tree(), "-t", "ext4", "-O", "bigalloc", size_mib=32)
    assert "has the feature bigalloc" in refusal(image)


def test_journal_to_be_replayed_is_an_error_whose_hint_works(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", small_tree(), "-t", "ext3", "-b", "1024")
    change(image, "feature needs_recovery")
    text = refusal(image)
    assert "needs_recovery" in text
    assert f"cp {image} COPY && e2fsck -fy COPY" in text
    copy = tmp_path / "COPY"
    files.copy(image, copy)
    tool("e2fsck", "-f", "-y", copy, ok=(0, 1))
    assert read_ext2(copy).lookup("file").read() == pattern(20_000)


@pytest.mark.parametrize("end", [0, 1, 1024, 1500, 2047, 2048, 100_000, (4 << 20) - 1])
def test_image_that_is_cut_off_is_an_error(
    end: int, images: dict[tuple[str, ...], Path], tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(images[EXT2].read_bytes()[:end])
    assert "cut off" in refusal(tmp_path / "image")


def test_anything_but_an_ext2_image_is_an_error(tmp_path: Path) -> None:
    assert "is not there" in refusal(tmp_path / "nothing")
    assert "is neither a file nor a block device" in refusal(tmp_path)
    (tmp_path / "other").write_bytes(pattern(100_000))
    assert "has no ext2 superblock at byte 1024" in refusal(tmp_path / "other")


def test_directories_too_deep_for_any_path_are_an_error(tmp_path: Path) -> None:
    image = tmp_path / "image"
    files.create(image, 16 << 20)
    tool("mke2fs", "-q", "-F", "-t", "ext2", "-b", "1024", "-N", "4096", image)
    requests_: list[str] = []
    for _ in range(2100):
        requests_ += ["mkdir d", "cd d"]
    change(image, *requests_)
    assert "is more than 2048 directories deep" in refusal(image)
