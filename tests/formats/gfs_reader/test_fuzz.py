"""The reader neither crashes nor hangs on damaged images."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from gfs_images import filesystem_of, gfs1_image, gfs2_image, read_everything

from ssiuml.errors import SsiumlError
from ssiuml.inspect.occupancy import survey_occupancy

BLOCK_SIZES = (1024, 4096)
# A whole check takes 0.1 s. The limit allows for a busy machine and is far below the time of an endless loop.
LIMIT_S = 30.0
MAP_SHARE = 0.3  # of the damaged images are mapped, too
SECTOR = 512
MAGIC = bytes.fromhex("01161970")
LOG_HEADER = 8


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[bytearray]:
    folder: Path = tmp_path_factory.mktemp("images")
    made = [make(folder, size) for size in BLOCK_SIZES for make in (gfs1_image, gfs2_image)]
    return [bytearray(image) for image in made]


def sectors_in_use(image: bytearray) -> list[int]:
    empty = bytes(SECTOR)
    return [start for start in range(0, len(image), SECTOR) if image[start : start + SECTOR] != empty]


def metadata_in_use(image: bytearray, block_size: int) -> list[int]:
    """Return the sectors of metadata, without log headers, which are many and all alike."""
    return [
        start
        for start in sectors_in_use(image)
        if image[start - start % block_size : start - start % block_size + 4] == MAGIC
        and image[start - start % block_size + 7] != LOG_HEADER
    ]


@contextmanager
def damaged(image: bytearray, used: list[int], chance: random.Random) -> Iterator[None]:
    """Change some bytes of *image* in the sectors *used*, and restore them at the end."""
    before: list[tuple[int, bytes]] = []
    for _ in range(chance.choice([1, 1, 1, 2, 5, 20])):
        position = chance.choice(used) + chance.randrange(SECTOR)
        new = bytes([image[position] ^ 1 << chance.randrange(8)])
        if chance.random() < 0.4:  # a number, where an aligned number lies
            position &= ~7
            word = chance.choice([0, 1, (1 << 64) - 1, (1 << 63) - 1, chance.choice(used) // SECTOR])
            new = word.to_bytes(8, "big")
        before.append((position, bytes(image[position : position + len(new)])))
        image[position : position + len(new)] = new
    try:
        yield
    finally:
        for position, old in reversed(before):
            image[position : position + len(old)] = old


def fuzz(images: list[bytearray], rounds: int, seed: int) -> int:
    """Damage and read an image *rounds* times. Return how often the reader saw the damage."""
    chance = random.Random(seed)  # noqa: S311 - the same damage each time
    sizes = [size for size in BLOCK_SIZES for _ in range(2)]
    used = [metadata_in_use(image, size) for image, size in zip(images, sizes, strict=True)]
    seen = 0
    for _ in range(rounds):
        which = chance.randrange(len(images))
        with damaged(images[which], used[which], chance):
            started = time.monotonic()
            seen += bool(read_everything(images[which]))
            if chance.random() < MAP_SHARE:
                map_everything(images[which])
            assert time.monotonic() - started < LIMIT_S
    return seen


def map_everything(image: bytearray) -> None:
    """Map the use of all blocks of an image, as far as it is readable."""
    with suppress(SsiumlError):
        found = survey_occupancy(filesystem_of(image), lambda damage: None)
        assert sum(sum(cell.counts) for cell in found.cells) == found.blocks


def test_a_thousand_damaged_images_neither_crash_the_reader_nor_hang_it(images: list[bytearray]) -> None:
    assert all(read_everything(image) == [] for image in images)
    # A change of a name, a time or contents contradicts nothing: the reader cannot see it.
    assert fuzz(images, 1000, seed=1) > 300


# In parts, each in a group of its own: one worker would need half an hour, and other tests wait behind it.
@pytest.mark.long
@pytest.mark.parametrize(
    "seed",
    [pytest.param(each, marks=pytest.mark.xdist_group(f"gfs_reader fuzz {each}")) for each in range(2, 12)],
)
def test_a_hundred_thousand_damaged_images_neither_crash_the_reader_nor_hang_it(
    images: list[bytearray], seed: int
) -> None:
    assert fuzz(images, 10_000, seed) > 3_000


@pytest.mark.parametrize("which", range(4))
def test_an_image_that_is_cut_off_anywhere_is_reported_as_damaged(
    images: list[bytearray], which: int
) -> None:
    image = images[which]
    used = sectors_in_use(image)
    last = used[-1] + SECTOR
    for end in (
        0,
        1,
        511,
        65_536,
        65_536 + 300,
        65_536 + 512,
        used[len(used) // 2] + 7,
        last - 1,
        last - 4096,
    ):
        assert read_everything(image[:end]), end
        map_everything(image[:end])
