"""GFS1 with devices, journals and segments of any size: nothing overlaps, and all counters are right."""

from pathlib import Path

import pytest
from gfs_judges import assert_clean_after_conversion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.structures import BLOCK_SIZES
from ssiuml.formats.gfs1.geometry import GeometryOptions, plan_geometry
from ssiuml.formats.gfs1.writer import Settings, write_filesystem
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, read_filesystem
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.host import files
from ssiuml.tree.tree import Literal, Meta, Tree, file

MIB = 1 << 20


def write(image: Path, options: GeometryOptions) -> None:
    """Write a file system with a file in it, and verify it."""
    geometry = plan_geometry(options)
    files.create(image, options.device_bytes)
    tree = Tree()
    tree.add("folder/file", file(Literal(b"x" * 9000), Meta(mode=0o644)))
    write_filesystem(image, geometry, Settings(lock_protocol="memexp", lock_table="t", time_s=1), tree)
    found: list[Damaged] = []
    with open_image(image) as source:
        verified, _ = verify(read_filesystem(source), found.append)
    assert [str(damage) for damage in found] == []
    assert (verified.inodes, verified.journals) == (3, options.journals)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    device_bytes=st.integers(8 * MIB, 200 * MIB),
    journals=st.integers(1, 5),
    journal_mib=st.sampled_from([1, 2, 8]),
    block_size=st.sampled_from(BLOCK_SIZES),
    segment_blocks=st.sampled_from([2, 3, 16, 17]),
    rgrp_mib=st.sampled_from([None, 1, 16]),
)
def test_a_file_system_of_any_sizes_is_sound(
    tmp_path: Path,
    device_bytes: int,
    journals: int,
    journal_mib: int,
    block_size: int,
    segment_blocks: int,
    rgrp_mib: int | None,
) -> None:
    options = GeometryOptions(
        device_bytes=device_bytes,
        journals=journals,
        journal_mib=journal_mib,
        block_size=block_size,
        segment_blocks=segment_blocks,
        rgrp_mib=rgrp_mib,
        expert=True,
    )
    try:
        plan_geometry(options)
    except UsageError:  # the device is too small, or a journal has too few segments; see test_geometry
        return
    write(tmp_path / "image", options)


# gfs2_convert accepts only segments of 16 blocks, and no journal that has 1 MiB after the loss of a segment.
@pytest.mark.parametrize("device_bytes", [100_000_511, 123_456_789, 150 * MIB + 4095, 64 * MIB + 512])
@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_devices_of_odd_sizes_are_clean_after_conversion(
    tmp_path: Path, device_bytes: int, block_size: int
) -> None:
    options = GeometryOptions(
        device_bytes=device_bytes, journals=3, journal_mib=8, block_size=block_size, rgrp_mib=16, expert=True
    )
    write(tmp_path / "image", options)
    assert_clean_after_conversion(tmp_path / "image")
