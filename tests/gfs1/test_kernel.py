"""A kernel sees in GFS1, once gfs2_convert has made GFS2 of it, the tree that it was made of."""

from pathlib import Path

import pytest
from appliances import appliance_of
from biting import add_large_directory, biting_tree
from checkouts import Checkout
from gfs1_tools import converted, made

from ssiuml.compare import take_census

pytestmark = pytest.mark.cluster
MIB = 1 << 20


@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_every_name_inode_attribute_and_byte_is_there(
    built: Checkout, tmp_path: Path, block_size: int
) -> None:
    tree = biting_tree(block_size, sparse_bytes=64 * MIB)
    add_large_directory(tree, 5000)
    # The appliance mounts without ACLs and does not show them; that they are well-formed, fsck.gfs2 says.
    tree.remove("attributes/acl")
    made(tmp_path / "image", tree, size_mib=512, block_size=block_size)
    expected = take_census(tree)
    seen = appliance_of(built, tmp_path / "work").read_back(converted(tmp_path / "image"), expected)
    assert (seen.names, seen.inodes) == (len(expected.facts), expected.inodes)
