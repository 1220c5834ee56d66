"""What each run of blocks holds, held against gfs2-utils, the host's file system and the layout itself."""

import os
import re
from pathlib import Path

import pytest
from gfs1_tools import converted, made
from gfs_tools import tool
from reading_tools import filesystem_of, gfs1_image, gfs2_image, small_tree

from ssiuml import sparse
from ssiuml.picture.occupancy import CELLS_MOST, Occupancy, survey_occupancy
from ssiuml.picture.tally import Use
from ssiuml.reading.damage import Damaged
from ssiuml.reading.filesystem import read_filesystem
from ssiuml.reading.source import opened
from ssiuml.tree import Literal, Meta, Tree, file

MIB = 1 << 20


def occupancy_of(image: Path) -> Occupancy:
    """The occupancy of an image in which nothing is damaged."""
    damages: list[Damaged] = []
    with opened(image) as source:
        found = survey_occupancy(read_filesystem(source), damages.append)
    assert damages == []
    return found


def blocks(found: Occupancy, use: Use) -> int:
    return found.total(use)[0]


def statfs(image: Path) -> dict[str, int]:
    """What gfs2_edit reads in the statfs file."""
    printed = tool("gfs2_edit", "-p", "statfs", image)
    return {name: int(value) for name, value in re.findall(r"(sc_\w+) +(\d+)", printed)}


@pytest.fixture
def by_mkfs(tmp_path: Path) -> Path:
    """An empty GFS2 that mkfs.gfs2 made: 3 journals of 8 MiB."""
    image = tmp_path / "image"
    sparse.create(image, 256 * MIB)
    tool("mkfs.gfs2", "-q", "-O", "-K", "-j", "3", "-J", "8", "-p", "lock_nolock", "-t", "a:b", image)
    return image


def test_counts_of_an_empty_gfs2_are_those_that_gfs2_edit_reads(by_mkfs: Path) -> None:
    found, said = occupancy_of(by_mkfs), statfs(by_mkfs)
    assert blocks(found, Use.FREE) == said["sc_free"]
    assert blocks(found, Use.DINODE) == said["sc_dinodes"]
    assert blocks(found, Use.JOURNAL) == 3 * 8 * MIB // 4096
    assert (blocks(found, Use.SUPERBLOCK), blocks(found, Use.UNKNOWN)) == (1, 0)
    assert found.journals == 3
    assert len(found.groups) == len(re.findall("ri_addr", tool("gfs2_edit", "-p", "rindex", by_mkfs)))


def test_counts_of_a_written_tree_are_those_of_gfs2_edit_after_conversion(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    for number in range(500):
        tree.add(f"d/{number}", file(Literal(bytes(number * 30)), Meta(mode=0o644)))
    image = tmp_path / "image"
    made(image, tree, size_mib=64)
    before, after = occupancy_of(image), occupancy_of(converted(image))
    said = statfs(converted(image))
    assert blocks(after, Use.FREE) == said["sc_free"]
    # Stuffed up to 3864 bytes: number * 30 > 3864 begins with 129; none has more than four blocks.
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


def test_holes_are_what_the_host_has_not_allocated(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("f", file(Literal(os.urandom(3 * MIB)), Meta(mode=0o644)))
    image = tmp_path / "image"
    made(image, tree, size_mib=64)
    found = occupancy_of(image)
    holes = sum(found.total(use)[1] for use in Use)
    assert (found.blocks - holes) * 4096 == image.stat().st_blocks * 512
    assert found.total(Use.DATA) == (3 * MIB // 4096, 0)


def test_blocks_that_nothing_leads_to_are_told_from_free_ones(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o755))
    tree.add("lost", file(Literal(bytes(100_000)), Meta(mode=0o644)))
    image = tmp_path / "image"
    made(image, tree, size_mib=64)
    whole = occupancy_of(image)
    data = bytearray(image.read_bytes())
    at = data.index(b"lost")
    # The name's record: its inode now leads out of the file system.
    data[at - 40 : at - 24] = b"\xff" * 16
    damages: list[Damaged] = []
    found = survey_occupancy(filesystem_of(data), damages.append)
    assert damages
    # The inode, 25 blocks of data and no indirect block: 25 addresses have room in an inode.
    assert blocks(found, Use.UNKNOWN) == 26
    assert blocks(found, Use.FREE) == blocks(whole, Use.FREE)
