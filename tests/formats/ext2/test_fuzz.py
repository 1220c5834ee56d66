"""Images with random damage never crash the reader, make it hang or fill the memory."""

import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ext2_images import HoledFile, change, make_image, some_tree
from odd_trees import pattern

from ssiuml.formats.ext2.filesystem import Ext2Error
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.tree.extents import Extents, pieces_between
from ssiuml.tree.tree import Extent, Tree, TreeError

# Reading takes 0.02 s; the limit allows for a busy machine and still finds an endless loop.
LIMIT_S = 30.0
GROWTH_KIB = 200 << 10
SECTOR = 512
MOST_BYTES = 4 << 20
KINDS = (
    ("-t", "ext2", "-b", "1024", "-r", "0"),
    ("-t", "ext3", "-b", "1024", "-I", "256"),
    ("-t", "ext4", "-b", "4096", "-O", "^has_journal"),
    ("-t", "ext4", "-b", "1024", "-O", "inline_data,^has_journal"),
)
HOLED = (HoledFile("holes", 3 << 20, (0, 20 << 10, 1 << 20, (3 << 20) - 1024)),)


def fuzz_tree(block_size: int) -> Tree:
    """Return some_tree without most of its similar names and without files that would fill the image."""
    tree = some_tree(block_size)
    if block_size > 1024:
        tree.remove("blocks")
    for number in range(10, 600):
        tree.remove(f"many/{number:05}")
    for number in range(10, 300):
        tree.remove(f"linked/{number}")
    return tree


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, list[int]]]:
    """Images, each with the places of its sectors that are not empty and have no file contents."""
    folder: Path = tmp_path_factory.mktemp("images")
    made = []
    for number, options in enumerate(KINDS):
        block_size = int(options[3])
        image = folder / str(number)
        make_image(image, fuzz_tree(block_size), *options, "-N", "256", size_mib=4, holed=HOLED)
        value = folder / "value"
        value.write_bytes(pattern(600))
        change(image, *[f"ea_set -f {value} /{name} user.v" for name in ("holes", "empty")])
        data, contents = image.read_bytes(), set[int]()
        for _, node in read_ext2(image).walk():
            if not isinstance(node.content, Extent | Extents):
                continue
            for _, source, length in pieces_between(node.content, 0, node.size_bytes):
                contents.update(range(source // SECTOR, -(-(source + length) // SECTOR)))
        starts = [
            start
            for start in range(1024, len(data), SECTOR)
            if start // SECTOR not in contents and any(data[start : start + SECTOR])
        ]
        made.append((image, starts))
    return made


@contextmanager
def damaged(image: Path, starts: list[int], chance: random.Random) -> Iterator[None]:
    """Change some bytes of *image* in the sectors at *starts*; restore them at the end of the context."""
    before: list[tuple[int, bytes]] = []
    with image.open("r+b", buffering=0) as stream:

        def put(position: int, data: bytes) -> bytes:
            stream.seek(position)
            old = stream.read(len(data))
            stream.seek(position)
            stream.write(data)
            return old

        for _ in range(chance.choice([1, 1, 1, 2, 5, 20])):
            position = chance.choice(starts) + chance.randrange(SECTOR)
            stream.seek(position)
            new = bytes([stream.read(1)[0] ^ 1 << chance.randrange(8)])
            if chance.random() < 0.4:  # a whole field of 32 bits
                position &= ~3
                word = chance.choice([0, 1, 2, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFF, chance.randrange(4096)])
                new = word.to_bytes(4, "little")
            before.append((position, put(position, new)))
        try:
            yield
        finally:
            for position, old in reversed(before):
                put(position, old)


def read_everything(image: Path) -> bool:
    """Return whether all of the image can be read, at most MOST_BYTES of each file."""
    try:
        tree = read_ext2(image)
        for _, node in tree.walk():
            done = 0
            for chunk in node.content.chunks() if node.content is not None else ():
                done += len(chunk)
                if done > MOST_BYTES:
                    break
    except (Ext2Error, TreeError):  # a TreeError only for too many holes
        return False
    return True


def fuzz(images: list[tuple[Path, list[int]]], rounds: int, seed: int) -> int:
    """Damage and read an image *rounds* times. Return how often the reader found the damage."""
    chance = random.Random(seed)  # noqa: S311 - the same damage each time
    assert all(read_everything(image) for image, _ in images)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = 0
    for _ in range(rounds):
        image, starts = chance.choice(images)
        with damaged(image, starts, chance):
            started = time.monotonic()
            seen += not read_everything(image)
            assert time.monotonic() - started < LIMIT_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_KIB
    return seen


def test_hundreds_of_damaged_images_are_read_or_refused_in_time(
    images: list[tuple[Path, list[int]]],
) -> None:
    # Damage to names, times or tables that the reader does not use cannot be found.
    assert fuzz(images, 400, seed=1) > 100


@pytest.mark.long
def test_tens_of_thousands_of_damaged_images_are_read_or_refused_in_time(
    images: list[tuple[Path, list[int]]],
) -> None:
    assert fuzz(images, 30_000, seed=2) > 7_500


@pytest.mark.parametrize("which", range(len(KINDS)))
def test_images_that_are_cut_off_anywhere_are_refused(
    which: int, images: list[tuple[Path, list[int]]], tmp_path: Path
) -> None:
    data = images[which][0].read_bytes()
    chance = random.Random(which)  # noqa: S311 - the same places each time
    for end in (
        0,
        1,
        1023,
        1024,
        1100,
        2047,
        len(data) - 1,
        *(chance.randrange(len(data)) for _ in range(40)),
    ):
        (tmp_path / "image").write_bytes(data[:end])
        assert not read_everything(tmp_path / "image"), end
