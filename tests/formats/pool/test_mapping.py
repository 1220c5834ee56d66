"""The map of a pool's sectors, compared with tables computed by hand and with a plain simulation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.formats.pool.mapping import Piece, PoolMap, SubpoolMap, usable_sectors


@pytest.mark.parametrize(
    ("device_sectors", "stripe", "usable"),
    [
        (8192, 0, 8176),  # 4 MiB, the HOWTO's root_cidev
        (4194304, 0, 4194288),  # 2 GiB, its root_fs
        (8207, 0, 8176),  # 15 sectors are no whole extent
        (8208, 0, 8192),
        (8192, 128, 8064),  # 63 stripes of 64 KiB
        (8208, 128, 8192),
        (32, 0, 16),
        (31, 0, 0),
        (16, 0, 0),
        (0, 0, -16),
    ],
)
def test_usable_sectors_are_whole_extents_and_stripes_behind_the_label(
    device_sectors: int, stripe: int, usable: int
) -> None:
    assert usable_sectors(device_sectors, stripe) == usable


# By hand. Two devices of 32 and 48 usable sectors, concatenated, each behind its label of 16 sectors.
CONCATENATED = [(0, 0, 16), (31, 0, 47), (32, 1, 16), (33, 1, 17), (79, 1, 63)]
# By hand. Three devices in stripes of 16 sectors, the first with 32 usable ones: rows 0 and 1.
STRIPED = [
    *[(0, 0, 16), (15, 0, 31), (16, 1, 16), (31, 1, 31), (32, 2, 16), (47, 2, 31)],
    *[(48, 0, 32), (63, 0, 47), (64, 1, 32), (80, 2, 32), (95, 2, 47)],
]
# By hand. Both, subpool after subpool: the concatenated devices are 0 and 1, the striped ones 2, 3 and 4.
BOTH = [*CONCATENATED, *[(80 + sector, 2 + device, place) for sector, device, place in STRIPED]]

JOINED = SubpoolMap(0, (32, 48))
RAID = SubpoolMap(16, (32, 32, 64))


@pytest.mark.parametrize(
    ("pool", "sectors", "table"),
    [
        (PoolMap([JOINED]), 80, CONCATENATED),
        (PoolMap([RAID]), 96, STRIPED),
        (PoolMap([JOINED, RAID]), 176, BOTH),
    ],
)
def test_sectors_have_the_places_in_the_table(
    pool: PoolMap, sectors: int, table: list[tuple[int, int, int]]
) -> None:
    assert pool.sectors == sectors
    for sector, device, place in table:
        assert list(pool.pieces(sector, 1)) == [Piece(device, place, 1)]


def test_pieces_that_touch_are_joined() -> None:
    assert list(PoolMap([SubpoolMap(16, (64,))]).pieces(3, 50)) == [Piece(0, 19, 50)]
    assert list(PoolMap([JOINED]).pieces(0, 80)) == [Piece(0, 16, 32), Piece(1, 16, 48)]


@pytest.mark.parametrize(("sector", "count"), [(80, 1), (-1, 1), (79, 2), (0, -1), (0, 81)])
def test_sectors_outside_the_pool_are_refused(sector: int, count: int) -> None:
    with pytest.raises(ValueError, match="are not in a pool of 80"):
        list(PoolMap([JOINED]).pieces(sector, count))


def dealt_out(subpool: SubpoolMap) -> list[tuple[int, int]]:
    """Return the place of every sector of a subpool, by dealing stripes to devices in turn."""
    if not subpool.stripe_sectors:
        return [(device, s) for device, count in enumerate(subpool.device_sectors) for s in range(count)]
    places = []
    filled = 0
    while filled < subpool.device_sectors[0]:
        for device in range(len(subpool.device_sectors)):
            places += [(device, s) for s in range(filled, filled + subpool.stripe_sectors)]
        filled += subpool.stripe_sectors
    return places


@st.composite
def subpools(draw: st.DrawFn) -> SubpoolMap:
    stripe = draw(st.sampled_from([0, 1, 2, 16, 32]))
    sizes = st.integers(1, 4).map(lambda n: usable_sectors(n * 32 + 16, stripe))
    devices = draw(st.lists(sizes, min_size=1, max_size=4))
    if stripe:
        devices[0] = min(devices)
    return SubpoolMap(stripe, tuple(devices))


@given(st.lists(subpools(), min_size=1, max_size=3), st.data())
def test_any_range_of_any_pool_has_the_places_of_the_simulation(
    parts: list[SubpoolMap], data: st.DataObject
) -> None:
    pool = PoolMap(parts)
    expected, first = [], 0
    for part in parts:
        expected += [(first + device, 16 + sector) for device, sector in dealt_out(part)]
        first += len(part.device_sectors)
    assert pool.sectors == len(expected)
    start = data.draw(st.integers(0, pool.sectors))
    count = data.draw(st.integers(0, pool.sectors - start))
    pieces = list(pool.pieces(start, count))
    seen = [(piece.device, piece.sector + n) for piece in pieces for n in range(piece.count)]
    assert seen == expected[start : start + count]
