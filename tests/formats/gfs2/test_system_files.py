"""System files of GFS2: jindex and per_node of any size, and quotas."""

import re
import struct
from pathlib import Path

import pytest
from gfs2_image_reader import ImageReader
from gfs2_writing import assert_written, settings_for, tree_of
from gfs_judges import assert_clean
from odd_trees import pattern
from programs import tool

from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.tree.tree import Literal, Meta, Tree, file
from ssiuml.units import GIB, MIB

META = Meta(mode=0o644)


@pytest.mark.parametrize(("journals", "block_size"), [(100, 4096), (20, 512)])
def test_jindex_and_per_node_become_hashed_with_many_journals(
    tmp_path: Path, journals: int, block_size: int
) -> None:
    geometry = Geometry(3 * GIB, block_size, journals, 8 * MIB)
    assert_written(tmp_path, tree_of(file(Literal(b"x"), META)), Settings(geometry=geometry))
    printed = tool("gfs2_edit", "-p", "jindex", tmp_path / "image")
    assert len(set(re.findall(r"journal\d+", printed))) == journals


def test_quotas_count_the_blocks_of_every_user_and_group(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("a", file(Literal(pattern(10_000)), Meta(mode=0o644, uid=7, gid=9)))
    tree.add("b", file(Literal(b"x"), Meta(mode=0o644, uid=7, gid=0)))
    write_image(tmp_path / "image", tree, settings_for())
    assert_clean(tmp_path / "image")
    printed = tool("gfs2_edit", "-p", "quota", tmp_path / "image")
    assert printed
    reader = ImageReader(tmp_path / "image")
    block = reader.block(quota_address(reader))
    values = [struct.unpack_from(">Q", block, 232 + 88 * index + 16)[0] for index in range(20)]
    # Records alternate: user 0, group 0, user 1, group 1, ...
    assert {index: value for index, value in enumerate(values) if value} == {0: 1, 1: 2, 14: 5, 19: 4}


def quota_address(reader: ImageReader) -> int:
    (master,) = struct.unpack_from(">Q", reader.data, 65536 + 56)
    found = {name: address for name, _, address, _ in reader.records(reader.block(master), 232)}
    return found[b"quota"]
