"""Superblocks that contradict themselves are refused."""

import struct
import tracemalloc
from pathlib import Path

import pytest
from gfs_images import Bytes, write_gfs1_image

from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs_reader.filesystem import NoFilesystemError, read_filesystem
from ssiuml.tree.tree import Tree

MIB = 1 << 20


def test_an_absurd_power_of_the_block_size_is_refused_without_memory_for_it(tmp_path: Path) -> None:
    write_gfs1_image(tmp_path / "image", Tree(), size_mib=32)
    data = bytearray((tmp_path / "image").read_bytes())
    struct.pack_into(">I", data, 65536 + gfs1.Superblock.offset_of("sb_bsize_shift"), 2**32 - 1)
    tracemalloc.start()
    try:
        with pytest.raises(NoFilesystemError, match="blocks of 4096 bytes, 2 to the power of 4294967295"):
            read_filesystem(Bytes(data))
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()
