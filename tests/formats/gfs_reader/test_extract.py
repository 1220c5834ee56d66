"""Trees of images are extracted to a folder of the host."""

import os
from pathlib import Path

import pytest
from gfs_images import fit_for_gfs1, write_gfs1_image
from odd_trees import odd_tree

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.contents import SparseBytes
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.extract import extract
from ssiuml.formats.gfs_reader.filesystem import Damaged, read_filesystem
from ssiuml.formats.gfs_reader.tree_reader import read_tree
from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.folders import read_folder_tree
from ssiuml.tree.tree import Meta, Tree, file

MIB, GIB = 1 << 20, 1 << 30


def test_a_sparse_file_is_extracted_with_its_holes(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("sparse", file(SparseBytes(8 * GIB, [(0, b"begin"), (8 * GIB - 3, b"end")]), Meta(mode=0o644)))
    write_gfs1_image(tmp_path / "image", tree)
    with open_image(tmp_path / "image") as device:
        found: list[Damaged] = []
        extract(read_tree(read_filesystem(device), found.append), tmp_path / "out", found.append)
    assert found == []
    out = tmp_path / "out" / "sparse"
    assert out.stat().st_size == 8 * GIB
    assert files.allocated_bytes(out) < MIB
    with out.open("rb") as stream:
        assert stream.read(6) == b"begin\0"
        stream.seek(-4, os.SEEK_END)
        assert stream.read() == b"\0end"


def test_extract_writes_the_tree_that_was_in_the_image(tmp_path: Path) -> None:
    tree = fit_for_gfs1(odd_tree())
    for name in ("attributes", "times", "special"):  # not every host accepts all of these
        tree.remove(name)
    write_image(tmp_path / "image", tree, Settings(geometry=Geometry(256 * MIB, 4096, 2, 8 * MIB)))
    with open_image(tmp_path / "image") as device:
        found: list[Damaged] = []
        left_out = extract(read_tree(read_filesystem(device), found.append), tmp_path / "out", found.append)
    assert (found, left_out) == ([], [])
    seen = read_folder_tree(tmp_path / "out")
    if os.geteuid() == 0:
        assert differences(take_census(tree), take_census(seen)) == []
    assert seen.lookup("linked/0") is seen.lookup("links/elsewhere")


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with pytest.raises(SsiumlError, match="exists and is not an empty folder"):
        extract(Tree(), tmp_path, lambda damage: None)
