"""After gfs2_convert, a kernel sees the tree that was written as GFS1."""

from pathlib import Path

import pytest
from gfs_images import large_directory, odd_gfs1_tree, write_gfs1_image
from gfs_judges import convert_to_gfs2

from ssiuml.formats.gfs.contents import SparseBytes
from ssiuml.images.appliance import Appliance
from ssiuml.tree.compare import take_census
from ssiuml.tree.tree import Literal, Meta, file

pytestmark = pytest.mark.boot
MIB = 1 << 20


@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_linux_sees_every_name_inode_attribute_and_byte(
    appliance: Appliance, tmp_path: Path, block_size: int
) -> None:
    tree = odd_gfs1_tree(block_size)
    tree.add("large", large_directory(5000).lookup("large"))
    pieces = [(0, b"begin"), (64 * MIB - 3, b"end")]
    tree.add("sparse", file(SparseBytes(64 * MIB, pieces), Meta(mode=0o644)))
    # The appliance mounts without ACLs and does not show them; fsck.gfs2 checks their form.
    for name in ("attributes/acl", "attributes/acl.d"):
        tree.remove(name)
    tree.add("names/plain", file(Literal(b"plain"), Meta(mode=0o644)))
    write_gfs1_image(tmp_path / "image", tree, block_size=block_size)
    expected = take_census(tree)
    seen = appliance.read_back(convert_to_gfs2(tmp_path / "image"), expected)
    assert (seen.names, seen.inodes) == (len(expected.facts), expected.inodes)
