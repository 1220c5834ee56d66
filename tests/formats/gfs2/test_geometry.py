"""Impossible sizes of a GFS2 file system are refused; test_writer_mkfs compares possible ones."""

import pytest

from ssiuml.formats.gfs2.geometry import Geometry, GeometryError
from ssiuml.units import MIB


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block_size": 8192}, "block size 8192: GFS2 on Linux takes 512, 1024, 2048, 4096"),
        ({"journals": 0}, "0 journals: there can be 1 to"),
        ({"size_bytes": 1 << 60}, "1048576 TiB is too large: at most 128 TiB"),
        ({"journal_bytes": 4 * MIB}, "journal size 4 MiB: must be whole MiB, from 8 MiB to 1 GiB"),
        ({"journal_bytes": 8 * MIB + 1}, "journal size 8388609 bytes: must be whole MiB"),
        ({"rgrp_bytes": 16 * MIB}, "resource group size 16 MiB: must be"),
        ({"journals": 20}, "100 MiB is too small for 20 journals of 8 MiB, which need more than 16"),
    ],
)
def test_impossible_sizes_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        Geometry(**{"size_bytes": 100 * MIB, "journal_bytes": 8 * MIB, **values})
