"""GFS1 on devices of any size, with journals and segments of any: nothing overlaps, and all counts agree."""

from pathlib import Path

import pytest
from gfs_judges import assert_clean_after_conversion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.structures import BLOCK_SIZES
from ssiuml.formats.gfs1.geometry import Wish, plan_geometry
from ssiuml.formats.gfs1.special import Settings
from ssiuml.formats.gfs1.writer import write_filesystem
from ssiuml.formats.gfs_reader.damage import Damaged
from ssiuml.formats.gfs_reader.device import opened
from ssiuml.formats.gfs_reader.filesystem import read_filesystem
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.host import files
from ssiuml.tree.tree import Literal, Meta, Tree, file

MIB = 1 << 20


def write(image: Path, wish: Wish) -> None:
    """Make a file system with a file in it, and let verify look at it."""
    geometry = plan_geometry(wish)
    files.create(image, wish.device_bytes)
    tree = Tree()
    tree.add("folder/file", file(Literal(b"x" * 9000), Meta(mode=0o644)))
    write_filesystem(image, geometry, Settings(lock_protocol="memexp", lock_table="t", time_s=1), tree)
    found: list[Damaged] = []
    with opened(image) as source:
        verified, _ = verify(read_filesystem(source), found.append)
    assert [str(damage) for damage in found] == []
    assert (verified.inodes, verified.journals) == (3, wish.journals)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    device_bytes=st.integers(8 * MIB, 200 * MIB),
    journals=st.integers(1, 5),
    journal_mib=st.sampled_from([1, 2, 8]),
    block_size=st.sampled_from(BLOCK_SIZES),
    segment_blocks=st.sampled_from([2, 3, 16, 17]),
    rgrp_mib=st.sampled_from([None, 1, 16]),
)
def test_whatever_the_sizes_the_file_system_is_sound(
    tmp_path: Path,
    device_bytes: int,
    journals: int,
    journal_mib: int,
    block_size: int,
    segment_blocks: int,
    rgrp_mib: int | None,
) -> None:
    wish = Wish(
        device_bytes=device_bytes,
        journals=journals,
        journal_mib=journal_mib,
        block_size=block_size,
        segment_blocks=segment_blocks,
        rgrp_mib=rgrp_mib,
        expert=True,
    )
    try:
        plan_geometry(wish)
    except UsageError:  # too small a device, or too few segments; see test_geometry
        return
    write(tmp_path / "image", wish)


# gfs2_convert knows segments of 16 blocks only, and no journal that loses one and is 1 MiB then.
@pytest.mark.parametrize("device_bytes", [100_000_511, 123_456_789, 150 * MIB + 4095, 64 * MIB + 512])
@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_odd_devices_convert_cleanly(tmp_path: Path, device_bytes: int, block_size: int) -> None:
    wish = Wish(
        device_bytes=device_bytes, journals=3, journal_mib=8, block_size=block_size, rgrp_mib=16, expert=True
    )
    write(tmp_path / "image", wish)
    assert_clean_after_conversion(tmp_path / "image")
