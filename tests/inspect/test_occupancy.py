"""The uses of blocks, compared with gfs2-utils, the holes on the host's file system and the block headers."""

import os
import re
import struct
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest
from gfs_images import (
    Bytes,
    filesystem_of,
    fit_for_gfs1,
    gfs1_image,
    gfs2_image,
    small_tree,
    write_gfs1_image,
)
from gfs_judges import convert_to_gfs2
from programs import tool

from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, read_filesystem
from ssiuml.host import files
from ssiuml.inspect.occupancy import CELLS_MOST, Occupancy, survey_occupancy
from ssiuml.inspect.tally import Use
from ssiuml.tree.tree import Literal, Meta, Tree, file

MIB = 1 << 20


def occupancy_of(image: Path) -> Occupancy:
    """Return the occupancy of an image in which nothing is damaged."""
    damages: list[Damaged] = []
    with open_image(image) as source:
        found = survey_occupancy(read_filesystem(source), damages.append)
    assert damages == []
    return found


def blocks(found: Occupancy, use: Use) -> int:
    return found.total(use)[0]


def statfs(image: Path) -> dict[str, int]:
    """Return the numbers that gfs2_edit reads in the statfs file."""
    printed = tool("gfs2_edit", "-p", "statfs", image)
    return {name: int(value) for name, value in re.findall(r"(sc_\w+) +(\d+)", printed)}


@pytest.fixture
def by_mkfs(tmp_path: Path) -> Path:
    """An empty GFS2 that mkfs.gfs2 made: 3 journals of 8 MiB."""
    image = tmp_path / "image"
    files.create(image, 256 * MIB)
    tool("mkfs.gfs2", "-q", "-O", "-K", "-j", "3", "-J", "8", "-p", "lock_nolock", "-t", "a:b", image)
    return image


def test_counts_of_an_empty_gfs2_are_those_that_gfs2_edit_reads(by_mkfs: Path) -> None:
    found, expected = occupancy_of(by_mkfs), statfs(by_mkfs)
    assert blocks(found, Use.FREE) == expected["sc_free"]
    assert blocks(found, Use.DINODE) == expected["sc_dinodes"]
    assert blocks(found, Use.JOURNAL) == 3 * 8 * MIB // 4096
    assert (blocks(found, Use.SUPERBLOCK), blocks(found, Use.UNKNOWN)) == (1, 0)
    assert found.journals == 3
    assert len(found.groups) == len(re.findall("ri_addr", tool("gfs2_edit", "-p", "rindex", by_mkfs)))


def test_counts_of_a_written_tree_are_those_that_gfs2_edit_reads_after_conversion(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    for number in range(500):
        tree.add(f"d/{number}", file(Literal(bytes(number * 30)), Meta(mode=0o644)))
    image = tmp_path / "image"
    write_gfs1_image(image, tree, size_mib=64)
    before, after = occupancy_of(image), occupancy_of(convert_to_gfs2(image))
    assert blocks(after, Use.FREE) == statfs(convert_to_gfs2(image))["sc_free"]
    # Files of up to 3864 bytes are stuffed: number * 30 > 3864 begins with 129. None has more than 4 blocks.
    data = sum(-(-number * 30 // 4096) for number in range(129, 500))
    assert blocks(before, Use.DATA) == blocks(after, Use.DATA) == data
    assert blocks(before, Use.DINODE) == 500 + 2 + 4


@pytest.mark.parametrize("make", [gfs1_image, gfs2_image])
@pytest.mark.parametrize("block_size", [512, 1024, 4096])
def test_every_block_counts_once(tmp_path: Path, make: object, block_size: int) -> None:
    assert callable(make)
    (tmp_path / "copy").write_bytes(make(tmp_path, block_size))
    found = occupancy_of(tmp_path / "copy")
    assert sum(blocks(found, use) for use in Use) == found.blocks
    assert [sum(cell.counts) for cell in found.cells[:-1]] == [found.cell_blocks] * (len(found.cells) - 1)
    assert len(found.cells) <= CELLS_MOST
    assert blocks(found, Use.UNKNOWN) == 0
    assert blocks(found, Use.DINODE) > len({id(node) for _, node in small_tree(block_size).walk()})


def test_holes_are_the_blocks_that_the_host_has_not_allocated(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("f", file(Literal(os.urandom(3 * MIB)), Meta(mode=0o644)))
    image = tmp_path / "image"
    write_gfs1_image(image, tree, size_mib=64)
    found = occupancy_of(image)
    holes = sum(found.total(use)[1] for use in Use)
    assert (found.blocks - holes) * 4096 == image.stat().st_blocks * 512
    assert found.total(Use.DATA) == (3 * MIB // 4096, 0)


def test_used_blocks_that_nothing_points_to_are_unknown_and_not_free(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("lost", file(Literal(bytes(100_000)), Meta(mode=0o644)))
    image = tmp_path / "image"
    write_gfs1_image(image, tree, size_mib=64)
    whole = occupancy_of(image)
    data = bytearray(image.read_bytes())
    at = data.index(b"lost")
    # In the directory entry of the name, the address of the inode now points out of the file system.
    data[at - 40 : at - 24] = b"\xff" * 16
    damages: list[Damaged] = []
    found = survey_occupancy(filesystem_of(data), damages.append)
    assert damages
    # The inode and 25 blocks of data. Their addresses fit into the inode, so there is no indirect block.
    assert blocks(found, Use.UNKNOWN) == 26
    assert blocks(found, Use.FREE) == blocks(whole, Use.FREE)


USE_OF_HEADER = {
    1: Use.SUPERBLOCK,
    2: Use.GROUP,
    3: Use.GROUP,
    4: Use.DINODE,
    5: Use.METADATA,  # indirect block
    6: Use.METADATA,  # leaf
    7: Use.METADATA,  # data of a directory with a table, or of a system file
    8: Use.JOURNAL,  # log header
    10: Use.METADATA,  # attributes
    11: Use.METADATA,
}


def test_every_block_has_the_use_of_its_header_and_is_a_hole_if_the_host_stores_nothing(
    tmp_path: Path,
) -> None:
    tree = small_tree(4096)
    for path in [
        path for path, node in tree.walk() if any(key.startswith("trusted.") for key in node.meta.xattrs)
    ]:
        tree.remove(path)
    image = tmp_path / "image"
    write_gfs1_image(image, fit_for_gfs1(tree), size_mib=16, journal_mib=1)
    found = occupancy_of(image)
    assert found.cell_blocks == 1
    seen = set()
    with image.open("rb") as stream:
        for number, one in enumerate(found.cells):
            data = os.pread(stream.fileno(), 4096, number * 4096)
            use = next(use for use in Use if one.counts[use])
            if data[:4] == bytes.fromhex("01161970"):
                assert use is USE_OF_HEADER[int.from_bytes(data[4:8])], number
                seen.add(use)
            try:
                stored = os.lseek(stream.fileno(), number * 4096, os.SEEK_DATA) < (number + 1) * 4096
            except OSError:  # nothing more up to the end
                stored = False
            assert one.holes[use] == (not stored), number
    assert seen == set(USE_OF_HEADER.values())


@dataclass
class Vast(Bytes):
    """An image of 8 TiB: some bytes, and behind them a hole."""

    @property
    def size_bytes(self) -> int:
        return 8 << 40

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        return super().read(offset_bytes, size_bytes).ljust(size_bytes, b"\0")

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        end = len(self.data)
        return (True, end) if offset_bytes < end else (False, self.size_bytes)


@pytest.mark.parametrize("which", ["journal", "bitmap", "group"])
def test_absurd_lengths_take_little_time_and_memory(tmp_path: Path, which: str) -> None:
    write_gfs1_image(tmp_path / "image", Tree(Meta(mode=0o755)), size_mib=16, journal_mib=1)
    data = bytearray((tmp_path / "image").read_bytes())
    jindex, rindex = (struct.unpack_from(">Q", data, 65536 + at)[0] * 4096 + 232 for at in (56, 72))
    last = rindex + 96
    (start,) = struct.unpack_from(">Q", data, last)

    def group(start: int, length: int, blocks: int) -> None:
        struct.pack_into(">QIIQII", data, last, start, length, 0, start + length, blocks, blocks // 4)

    if which == "journal":
        group((8 << 40) // 4096 - 100, 1, 16)  # out of the journal's way
        struct.pack_into(">I", data, jindex + 8, (1 << 27) - 200)
    elif which == "bitmap":
        group(start, 1 << 30, 16)
    else:
        group(start, 1 << 17, 1 << 30)
    damages: list[Damaged] = []
    filesystem = read_filesystem(Vast(data))
    started = time.monotonic()
    tracemalloc.start()
    try:
        found = survey_occupancy(filesystem, damages.append)
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 30
    assert damages
    assert sum(blocks(found, use) for use in Use) == (8 << 40) // 4096
    # A group that is larger than possible is refused as a whole, so its blocks lie outside of groups.
    wanted = {"journal": Use.JOURNAL, "bitmap": Use.GROUP, "group": Use.OUTSIDE}[which]
    assert blocks(found, wanted) >= 1 << 30


def test_claimed_blocks_keep_their_use_in_a_group_whose_bitmap_is_unreadable(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("f", file(Literal(bytes(MIB)), Meta(mode=0o644)))
    image = tmp_path / "image"
    write_gfs1_image(image, tree, size_mib=64)
    whole = occupancy_of(image)
    data = bytearray(image.read_bytes())
    first = whole.groups[0][0] * 4096
    data[first : first + 4] = bytes(4)
    damages: list[Damaged] = []
    found = survey_occupancy(filesystem_of(data), damages.append)
    assert [damage.block for damage in damages] == [whole.groups[0][0]]
    for use in (Use.DATA, Use.DINODE, Use.METADATA, Use.GROUP, Use.JOURNAL):
        assert blocks(found, use) == blocks(whole, use)
    assert blocks(found, Use.UNKNOWN) == blocks(whole, Use.FREE) - blocks(found, Use.FREE) > 0
