"""The geometry of GFS1 file systems is that of gfs_mkfs (tests/golden)."""

import json
from dataclasses import astuple, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from project import GOLDEN

from ssiuml.errors import UsageError
from ssiuml.formats.gfs.structures import BLOCK_SIZES
from ssiuml.formats.gfs1.geometry import (
    Geometry,
    GeometryOptions,
    Journal,
    Rgrp,
    needed_device_bytes,
    plan_geometry,
)

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("name", "journals", "journal_mib"), [("2GiB-15x32MB", 15, 32), ("256MiB-2x8MB", 2, 8)]
)
def test_resource_groups_and_journals_have_the_positions_of_gfs_mkfs(
    name: str, journals: int, journal_mib: int
) -> None:
    golden: dict[str, Any] = json.loads((GOLDEN / f"gfs1-4096-{name}.json").read_text())
    options = GeometryOptions(
        device_bytes=golden["image_bytes"], journals=journals, journal_mib=journal_mib, expert=True
    )
    made = plan_geometry(options)
    assert [list(astuple(rgrp)) for rgrp in made.rgrps] == golden["rindex"]
    assert [list(astuple(journal)) for journal in made.journals] == [
        [addr, segments] for addr, segments, _ in golden["journals"]
    ]


def test_without_expert_each_half_has_at_least_four_resource_groups() -> None:
    made = plan_geometry(GeometryOptions(device_bytes=256 * MIB, journals=1, journal_mib=32))
    # By hand from the rules: halves of 229376 sectors, 28672 blocks; the first loses 17 of them.
    # 28655 = 7166 + 3 x 7163 and 28672 = 4 x 7168; one bitmap block covers (4096-128) x 4 = 15872 blocks.
    assert made.rgrps == (
        Rgrp(17, 1, 18, 7164, 1791),
        Rgrp(7183, 1, 7184, 7160, 1790),
        Rgrp(14346, 1, 14347, 7160, 1790),
        Rgrp(21509, 1, 21510, 7160, 1790),
        Rgrp(36864, 1, 36865, 7164, 1791),
        Rgrp(44032, 1, 44033, 7164, 1791),
        Rgrp(51200, 1, 51201, 7164, 1791),
        Rgrp(58368, 1, 58369, 7164, 1791),
    )
    assert made.journals == (Journal(28672, 512),)
    assert (made.superblock, made.blocks) == (16, 65536)


def test_resource_groups_become_larger_if_an_area_would_have_more_than_10000() -> None:
    made = plan_geometry(GeometryOptions(device_bytes=8 << 40, journals=1))
    # 4 TiB in each half are 16384 groups of 256 MiB, but 8192 of 512 MiB.
    assert len(made.rgrps) == 16384
    asked = plan_geometry(GeometryOptions(device_bytes=8 << 40, journals=1, rgrp_mib=256))
    assert len(asked.rgrps) == 32768


def check_layout(made: Geometry, options: GeometryOptions) -> None:
    """Assert that nothing overlaps or exceeds the device, and that every bitmap covers its blocks."""
    taken = sorted(
        [(0, made.superblock + 1)]
        + [(rgrp.addr, rgrp.data1 + rgrp.data) for rgrp in made.rgrps]
        + [(each.addr, each.addr + each.segments * made.segment_blocks) for each in made.journals]
    )
    for (_, end), (start, _) in pairwise(taken):
        assert end <= start
    assert taken[-1][1] <= made.blocks
    for rgrp in made.rgrps:
        room = options.block_size - 128 + (rgrp.length - 1) * (options.block_size - 24)
        assert rgrp.data1 == rgrp.addr + rgrp.length
        assert rgrp.data == 4 * rgrp.bitbytes > 0
        assert rgrp.length >= 1
        assert room >= rgrp.bitbytes
    for journal in made.journals:
        assert journal.addr % made.segment_blocks == 0
        # Rounding to whole blocks and segments costs less than three segments.
        lost = options.journal_mib * MIB - journal.segments * made.segment_blocks * options.block_size
        assert 0 <= lost < 3 * made.segment_blocks * options.block_size


any_options = st.builds(
    GeometryOptions,
    device_bytes=st.integers(0, 3 * GIB),
    journals=st.integers(1, 20),
    journal_mib=st.integers(1, 64),
    block_size=st.sampled_from(BLOCK_SIZES),
    segment_blocks=st.sampled_from([2, 8, 15, 16, 64]),
    rgrp_mib=st.one_of(st.none(), st.integers(1, 300)),
    expert=st.booleans(),
)


@settings(max_examples=500, deadline=None)
@given(any_options)
def test_a_geometry_from_any_options_is_sound_or_they_are_refused(options: GeometryOptions) -> None:
    try:
        made = plan_geometry(options)
    except UsageError:
        return
    check_layout(made, options)


@settings(max_examples=200, deadline=None)
@given(any_options)
def test_the_device_size_that_an_error_names_is_large_enough(options: GeometryOptions) -> None:
    plain = GeometryOptions(
        device_bytes=0,
        journals=options.journals,
        journal_mib=options.journal_mib + 31,
        block_size=options.block_size,
    )
    enough = replace(plain, device_bytes=needed_device_bytes(plain))
    check_layout(plan_geometry(enough), enough)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_size": 1000}, r"block size 1000: .*\n  give one of 512, 1024"),
        ({"block_size": 131072}, r"block size 131072: "),
        ({"journals": 0}, r"0 journals are too few\n  give 1 or more; every node .* its own"),
        ({"journal_mib": 31}, r"journals of 31 MiB are too small\n  give at least 32 MiB, or .* -X"),
        ({"journal_mib": 0, "expert": True}, r"journals of 0 MiB are too small\n  give at least 1 MiB"),
        ({"segment_blocks": 1}, r"segments of 1 blocks are too small\n  give 2 blocks or more"),
        ({"segment_blocks": 2048}, r"segments of 8 MiB are too large\n  give at most 4 MiB"),
        ({"segment_blocks": 2560, "expert": True}, r"fewer than four segments of 10 MiB"),
        ({"rgrp_mib": 16}, r"resource groups of 16 MiB are not possible\n  give 32 to 2048 MiB"),
        (
            {"rgrp_mib": 2049, "expert": True},
            r"resource groups of 2049 MiB are not possible\n  give 1 to 2048 MiB",
        ),
        ({"device_bytes": 1 << 50}, r"a device of 1024 TiB is too large\n  give at most 16 TiB"),
        (
            {"device_bytes": 32 * MIB},
            r"has 32 MiB, 1 journal of 32 MiB and the least room besides them need 33 MiB",
        ),
        ({"device_bytes": 32 * MIB, "journals": 2}, r"2 journals of 32 MiB .* 65 MiB"),
    ],
)
def test_impossible_options_are_errors_with_value_limit_and_way_out(
    changes: dict[str, Any], message: str
) -> None:
    options = {"device_bytes": GIB, "journals": 1, "journal_mib": 32} | changes
    with pytest.raises(UsageError, match=message):
        plan_geometry(GeometryOptions(**options))
