"""GFS2 images: made, checked and repaired, judged by blkid, fsck.gfs2 and gfs2_edit."""

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest
from crashed_images import crash, damage_journal, erase, healthy_image
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.host.run import CommandError, find_tool
from ssiuml.images import gfs2_tools
from ssiuml.images.gfs2_tools import (
    DamagedError,
    DirtyError,
    check_image,
    make_image,
    needed_bytes,
    repair,
)
from ssiuml.recipe.filesystem import Gfs2Filesystem
from ssiuml.tree.tree import Extent, Literal, Meta, Tree, directory, file, symlink

MIB = 1 << 20
BLOCK_BYTES = 4096  # mkfs.gfs2's default
DINODE_BYTES = 232
META = Meta(mode=0o644)


def filesystem(
    journals: int = 1, block_size: int = 4096, journal_mib: int = 8, lock_protocol: str = "lock_dlm"
) -> Gfs2Filesystem:
    return Gfs2Filesystem.model_validate(
        {
            "type": "gfs2",
            "block_size": block_size,
            "journals": journals,
            "journal_size": f"{journal_mib} MiB",
            "lock_protocol": lock_protocol,
            "lock_table": "ssi:root",
        }
    )


def made(folder: Path, size_bytes: int, choice: Gfs2Filesystem) -> Path:
    files.create(folder / "blank", size_bytes)
    make_image(folder / "blank", folder / "root_fs", choice)
    return folder / "root_fs"


def tool(name: str, *words: str | Path, ok: tuple[int, ...] = (0,)) -> str:
    program = find_tool(name)
    assert program is not None, f"{name} is missing"
    result = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert result.returncode in ok, result.stdout + result.stderr
    return result.stdout + result.stderr


def blkid(image: Path) -> dict[str, str]:
    lines = tool("blkid", "-p", "-o", "export", image).splitlines()
    return {key: value.replace("\\", "") for key, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """128 MiB with three journals. Tests do not change it."""
    return made(tmp_path_factory.mktemp("gfs2"), 128 * MIB, filesystem(journals=3))


def test_blkid_finds_gfs2_with_the_lock_table_as_its_label(image: Path) -> None:
    found = blkid(image)
    assert found["TYPE"] == "gfs2"
    assert found["LABEL"] == "ssi:root"
    assert found["USAGE"] == "filesystem"


def test_a_fresh_image_is_clean_for_fsck(image: Path) -> None:
    assert "Error" not in tool("fsck.gfs2", "-n", image)
    check_image(image)


def test_an_image_has_the_journals_and_the_lock_protocol_of_the_settings(image: Path) -> None:
    assert len(re.findall(r"journal\d+", tool("gfs2_edit", "-p", "jindex", image))) == 3
    assert "lock_dlm" in tool("gfs2_edit", "-p", "sb", image)


def test_a_check_changes_nothing(image: Path) -> None:
    before = (image.stat().st_mtime_ns, tool("sha256sum", image))
    check_image(image)
    assert (image.stat().st_mtime_ns, tool("sha256sum", image)) == before


def test_an_image_keeps_its_size_and_its_holes(image: Path) -> None:
    assert image.stat().st_size == 128 * MIB
    # Journals are written (24 MiB), the rest of the image is not.
    assert files.allocated_bytes(image) < 64 * MIB


def test_the_blank_image_stays_one_hole(image: Path) -> None:
    blank = image.with_name("blank")
    assert blank.stat().st_size == 128 * MIB
    assert blank.stat().st_blocks == 0


@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_every_block_size_of_a_recipe_can_be_made(tmp_path: Path, block_size: int) -> None:
    target = made(tmp_path, 32 * MIB, filesystem(block_size=block_size, lock_protocol="lock_nolock"))
    assert blkid(target)["TYPE"] == "gfs2"
    check_image(target)


def test_a_blank_image_that_is_too_small_fails_with_the_reason_and_no_target(tmp_path: Path) -> None:
    (tmp_path / "root_fs").write_text("the one before")
    with pytest.raises(CommandError, match=r"mkfs\.gfs2") as caught:
        made(tmp_path, 4 * MIB, filesystem(journals=3))
    assert caught.value.output
    assert (tmp_path / "root_fs").read_text() == "the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blank", "root_fs"]


def test_a_damaged_image_is_an_error_with_what_fsck_found(image: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    files.copy(image, damaged)
    text = tool("gfs2_edit", "-p", "rindex", image)
    address = int(re.findall(r"ri_addr\s+(\d+)", text)[0])
    with damaged.open("r+b") as stream:  # the bitmap of the first resource group
        stream.seek(address * 4096 + 128)
        stream.write(b"\xff" * 512)
    with pytest.raises(
        DamagedError, match=f"{re.escape(str(damaged))}: is damaged, fsck.gfs2 -n says:\n    "
    ):
        check_image(damaged)


@pytest.mark.parametrize("size_bytes", [0, 1000, MIB])
def test_a_file_without_a_file_system_is_an_error_but_no_verdict(tmp_path: Path, size_bytes: int) -> None:
    files.create(tmp_path / "blank", size_bytes)
    with pytest.raises(
        SsiumlError, match=r"fsck\.gfs2 -n .*(ends with status 8 and no verdict|signal 11)"
    ) as caught:
        check_image(tmp_path / "blank")
    assert type(caught.value) in (SsiumlError, CommandError)


def test_a_missing_image_is_an_error_but_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    with pytest.raises(SsiumlError) as caught:
        check_image(path)
    assert str(caught.value) == (
        f"{path}: fsck.gfs2 -n ends with status 16 and no verdict:\n    Unable to open device: {path}"
    )
    assert type(caught.value) is SsiumlError


# What exit status and words of fsck.gfs2 mean. What it finds after a replay (-y) is the right answer.

TWO_JOURNALS = (
    'Journal #1 ("journal0") is dirty\nnot replaying due to the -n option.\n'
    'Journal #2 ("journal1") is corrupt\nNot fixing it due to the -n option.'
)
DIRTY = 'Journal #1 ("journal0") is dirty'
COUNTS = "The statfs file is wrong:\n\nCurrent statfs values:\nblocks:  7 (0x7)"


@pytest.mark.parametrize(
    ("status", "places"), [(0, ()), (4, ("file",)), (8, ("hashed",)), (8, ("root",)), (8, ("statfs", "leaf"))]
)
def test_an_image_is_no_worse_than_dirty_if_the_replay_makes_it_whole(
    tmp_path: Path, status: int, places: tuple[str, ...]
) -> None:
    image = healthy_image(tmp_path)
    crash(image, *places)
    path = tmp_path / "root_fs"
    path.write_bytes(image.data)
    tool("fsck.gfs2", "-n", path, ok=(status,))
    for function in (repair, check_image):
        with pytest.raises(DirtyError) as caught:
            function(path)
        assert str(caught.value) == f"{path}: has journals that are not replayed"
    assert path.read_bytes() == image.data
    tool("fsck.gfs2", "-y", path, ok=(1,))
    tool("fsck.gfs2", "-n", path)
    assert repair(path) == []


@pytest.mark.parametrize("places", [("file",), ("hashed",), ("root",)])
def test_what_no_replay_brings_back_is_damage(tmp_path: Path, places: tuple[str, ...]) -> None:
    image = healthy_image(tmp_path)
    erase(image, *places)
    path = tmp_path / "root_fs"
    path.write_bytes(image.data)
    with pytest.raises(
        DamagedError, match=r": is damaged, fsck\.gfs2 -n says:\n    Found invalid|    Block 0"
    ):
        repair(path)
    assert path.read_bytes() == image.data


def test_a_journal_that_nobody_can_replay_is_damage(tmp_path: Path) -> None:
    image = healthy_image(tmp_path)
    damage_journal(image)
    path = tmp_path / "root_fs"
    path.write_bytes(image.data)
    with pytest.raises(DamagedError) as caught:
        repair(path)
    assert str(caught.value) == (
        f'{path}: is damaged, fsck.gfs2 -n says:\n    Journal #1 ("journal0") is corrupt\n'
        "    Not fixing it due to the -n option.\n    jid=0: Failed\n    jid=0: journal not cleared."
    )


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (0, "fsck.gfs2 complete", []),
        (0, DIRTY, DirtyError),
        (4, f"{DIRTY}\n{COUNTS}", DirtyError),
        (8, f"{DIRTY}\nInvalid or missing root system inode", DirtyError),
        (255, DIRTY, DirtyError),
        (8, TWO_JOURNALS, DamagedError),
        (4, COUNTS, ["counts of free blocks and inodes"]),
        (4, f"{COUNTS}\nLink count inconsistent for inode 9", DamagedError),
        (8, "Error: Cannot proceed without a valid rindex.", DamagedError),
        (255, "System inum inode was not rebuilt. Aborting.", DamagedError),
        (8, COUNTS, SsiumlError),
        (8, "", SsiumlError),
        (4, "", SsiumlError),
        (8, "Out of memory when replaying journals.", SsiumlError),
        (8, "Error reading block 2048: Input/output error", SsiumlError),
        (8, "root_fs: Block device required", SsiumlError),
        (16, "Unable to open device: root_fs", SsiumlError),
        (16, "Device root_fs is busy.", SsiumlError),
        (32, "pass1 interrupted", SsiumlError),
        (128, "error while loading shared libraries", SsiumlError),
    ],
)
def test_a_verdict_needs_the_words_as_well_as_the_status(
    status: int, said: str, expected: list[str] | type[SsiumlError]
) -> None:
    lines = said.splitlines()
    if isinstance(expected, list):
        assert gfs2_tools.judge(Path("root_fs"), status, lines) == expected
        return
    with pytest.raises(SsiumlError) as caught:
        gfs2_tools.judge(Path("root_fs"), status, lines)
    assert type(caught.value) is expected


# What repair corrects.


@pytest.fixture
def fresh_image(tmp_path: Path) -> Path:
    """64 MiB with one journal, for a test to damage."""
    path = tmp_path / "root_fs"
    with path.open("wb") as stream:
        stream.truncate(64 << 20)
    subprocess.run(["mkfs.gfs2", "-O", "-q", "-p", "lock_nolock", "-j", "1", "-J", "8", path], check=True)
    return path


def is_clean(image: Path) -> bool:
    return subprocess.run(["fsck.gfs2", "-n", image], capture_output=True, check=False).returncode == 0


def block_of(image: Path, name: str) -> int:
    """Return the address of a system inode, from gfs2_edit."""
    printed = subprocess.run(["gfs2_edit", "-p", name, image], capture_output=True, text=True, check=True)
    match = re.search(r"Block #(\d+)", printed.stdout)
    assert match, printed.stdout
    return int(match[1])


def overwrite(image: Path, offset_bytes: int, data: bytes) -> None:
    with image.open("r+b") as stream:
        stream.seek(offset_bytes)
        stream.write(data)


def test_repair_leaves_a_clean_image_unchanged(fresh_image: Path) -> None:
    before = hashlib.sha256(fresh_image.read_bytes()).digest()
    assert repair(fresh_image) == []
    assert hashlib.sha256(fresh_image.read_bytes()).digest() == before


def test_repair_corrects_wrong_counts_and_names_them(fresh_image: Path) -> None:
    # struct gfs2_statfs_change behind the inode: total, free, dinodes, 64 bits each.
    statfs = block_of(fresh_image, "statfs") * BLOCK_BYTES + DINODE_BYTES
    overwrite(fresh_image, statfs + 8, (77).to_bytes(8, "big"))
    assert not is_clean(fresh_image)
    assert repair(fresh_image) == ["counts of free blocks and inodes"]
    assert is_clean(fresh_image)


def test_repair_refuses_other_damage_and_writes_nothing(fresh_image: Path) -> None:
    # The link count of the root directory, di_nlink in struct gfs2_dinode.
    root = block_of(fresh_image, "root") * BLOCK_BYTES
    overwrite(fresh_image, root + 24 + 16 + 4 + 4 + 4, (9).to_bytes(4, "big"))
    before = hashlib.sha256(fresh_image.read_bytes()).digest()
    with pytest.raises(DamagedError, match=r"(?s)is damaged, fsck.gfs2 -n says:.*[Ll]ink count"):
        repair(fresh_image)
    assert hashlib.sha256(fresh_image.read_bytes()).digest() == before


def test_repair_of_a_file_without_a_file_system_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "root_fs"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(SsiumlError, match=r"fsck\.gfs2"):
        repair(path)


def test_progress_lines_of_a_slow_check_are_no_damage() -> None:
    said = "Starting pass1\n\r81 percent complete.\rReconciling bitmaps.\nFound unlinked inode at 22 (0x16)\n"
    assert gfs2_tools._leftovers(said.splitlines()) == (["removed files that were not freed"], [])


# How large an image has to be.


def tree_of(count: int, size_bytes: int, name_bytes: int = 12, meta: Meta = META) -> Tree:
    """A folder of *count* files of *size_bytes* each."""
    tree = Tree()
    folder = directory(Meta(mode=0o755))
    content = Extent(Path("/nonexistent"), 0, size_bytes)
    folder.children = {f"{n:0{name_bytes}}": file(content, meta) for n in range(count)}
    tree.add("folder", folder)
    return tree


def free_bytes(image: Path, block_size: int) -> int:
    """Return what statfs(2) would call free, from the file system's own count: it is not mounted."""
    text = tool("gfs2_edit", "-p", "statfs", image)
    match = re.search(r"sc_free\s+(\d+)", text)
    assert match is not None, text
    return int(match[1]) * block_size


@pytest.mark.parametrize("journals", [1, 15])
@pytest.mark.parametrize("block_size", [512, 4096])
def test_an_image_for_an_empty_tree_can_be_made_in_the_needed_size(
    tmp_path: Path, journals: int, block_size: int
) -> None:
    choice = filesystem(journals=journals, block_size=block_size)
    size = -(-needed_bytes(Tree(), choice) // MIB) * MIB
    target = made(tmp_path, size, choice)
    check_image(target)
    assert free_bytes(target, block_size) > 0


@pytest.mark.parametrize("block_size", [512, 4096])
@pytest.mark.parametrize(
    ("count", "size_bytes"), [(20_000, 0), (20_000, 200), (5_000, 4096), (300, 100_000), (1, 300 * MIB)]
)
def test_the_free_blocks_of_the_needed_size_hold_the_files(
    tmp_path: Path, count: int, size_bytes: int, block_size: int
) -> None:
    """GFS2's layout takes at least a dinode, data blocks and indirect blocks for each file."""
    choice = filesystem(block_size=block_size)
    size = -(-needed_bytes(tree_of(count, size_bytes), choice) // MIB) * MIB
    free = free_bytes(made(tmp_path, size, choice), block_size)
    stuffed = size_bytes <= block_size - 232  # struct gfs2_dinode
    data = 0 if stuffed else -(-size_bytes // block_size)
    indirect, level = 0, data
    while level > (block_size - 232) // 8:
        level = -(-level // ((block_size - 24) // 8))  # struct gfs2_meta_header, then pointers
        indirect += level
    # struct gfs2_dirent and the name, in units of 8; leaves are two thirds full when names are random.
    entries = count * (40 + 16)
    leaves = 0 if entries < block_size - 232 else -(-entries * 3 // (2 * (block_size - 104)))
    used = count * (1 + data + indirect) + 2 + leaves
    assert free >= used * block_size


def test_one_inode_with_many_names_counts_once() -> None:
    one, many = Tree(), Tree()
    node = file(Extent(Path("/nonexistent"), 0, 10 * MIB), META)
    one.add("a", node)
    for name in "abcdefgh":
        many.add(name, node)
    assert needed_bytes(many, filesystem()) == needed_bytes(one, filesystem())


def test_extended_attributes_take_a_block_for_each_inode() -> None:
    # Linux keeps them in a block of their own, never in the dinode (fs/gfs2/xattr.c, ea_alloc_blk).
    with_xattrs = Meta(mode=0o644, xattrs={"user.a": b"1"})
    plain = needed_bytes(tree_of(1000, 10), filesystem())
    assert needed_bytes(tree_of(1000, 10, meta=with_xattrs), filesystem()) >= plain + 1000 * 4096


def test_a_link_with_a_long_target_counts_like_a_file() -> None:
    short, long = Tree(), Tree()
    for n in range(1000):
        short.add(f"{n}", symlink("x"))
        long.add(f"{n}", symlink("x" * 4000))
    assert needed_bytes(long, filesystem()) >= needed_bytes(short, filesystem()) + 1000 * 4096


def test_each_journal_counts() -> None:
    difference = needed_bytes(Tree(), filesystem(journals=3)) - needed_bytes(Tree(), filesystem(journals=2))
    assert difference >= 8 * MIB


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3 * MIB), max_size=60), st.sampled_from([512, 1024, 2048, 4096]))
def test_more_files_never_need_less(sizes: list[int], block_size: int) -> None:
    tree, choice = Tree(), filesystem(block_size=block_size)
    before = needed_bytes(tree, choice)
    for number, size in enumerate(sizes):
        tree.add(f"d{number % 3}/{number}", file(Extent(Path("/nonexistent"), 0, size), META))
        after = needed_bytes(tree, choice)
        assert after >= before
        assert after > sum(sizes[: number + 1]) + choice.journal_size_bytes
        before = after


def test_odd_names_are_counted_in_bytes() -> None:
    tree = Tree()
    tree.add(os.fsdecode(b"\xff\xfe") + "\N{SNOWMAN}", file(Literal(b"x"), META))
    assert needed_bytes(tree, filesystem()) > 0
