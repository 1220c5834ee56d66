"""The map as a picture: an XML parser reads the SVG, Pillow reads the PNG, and both show what was counted."""

import io
import itertools
import math
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from gfs_images import write_gfs1_image
from PIL import Image, ImageFont

from ssiuml.errors import SsiumlError
from ssiuml.inspect import drawing
from ssiuml.inspect.drawing import (
    PNG_SCALE,
    POOL_LABEL,
    Caption,
    Drawing,
    colour_of,
    draw,
    png,
    shares,
    svg,
    write_picture,
)
from ssiuml.inspect.occupancy import Occupancy
from ssiuml.inspect.tally import Cell, Use
from ssiuml.tree.tree import Meta, Tree
from ssiuml.units import parse_size

CAPTION = Caption(name="<root & fs>", format="GFS2", label_bytes=0, damages=0)
SVG = "{http://www.w3.org/2000/svg}"


def cell(**uses: int) -> Cell:
    return Cell(tuple(uses.get(use.name.lower(), 0) for use in Use), (0,) * len(Use))


def occupancy(*cells: Cell, cell_blocks: int = 10) -> Occupancy:
    blocks = sum(sum(one.counts) for one in cells)
    return Occupancy(
        blocks=blocks, block_size=4096, cell_blocks=cell_blocks, cells=cells, groups=[(0, blocks)], journals=0
    )


@pytest.fixture
def drawn() -> Drawing:
    return draw(occupancy(cell(data=10), cell(dinode=5, free=5), *[cell(free=10)] * 200), CAPTION)


def test_svg_is_xml_with_the_name_the_counts_and_a_colour_for_each_use(drawn: Drawing) -> None:
    root = ET.fromstring(svg(drawn))  # noqa: S314 - our own
    assert root.findtext(f"{SVG}title") == "Map of <root & fs>"
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"<root & fs>", "file data", "inodes", "free", "10", "5", "2,005"} <= texts
    colours = {path.get("fill") for path in root.iter(f"{SVG}path")}
    assert {colour_of(use, hole=False) for use in (Use.DATA, Use.DINODE, Use.FREE)} <= colours
    assert colour_of(Use.JOURNAL, hole=False) not in colours


def test_squares_of_a_png_have_the_colours_of_their_uses(drawn: Drawing, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(drawn))
    found = subprocess.run(["file", tmp_path / "a.png"], capture_output=True, text=True, check=True).stdout
    assert f"PNG image data, {drawn.width * PNG_SCALE} x {drawn.height * PNG_SCALE}" in found
    picture = Image.open(io.BytesIO(png(drawn))).convert("RGB")

    def colour_at(number: int, height: float) -> str:
        x = drawing.LEFT + number * drawing.PITCH + drawing.SIDE / 2
        y = drawing.TOP + drawing.SIDE * (1 - height)
        pixel = picture.getpixel((int(x * PNG_SCALE), int(y * PNG_SCALE)))
        assert isinstance(pixel, tuple)
        return "#" + "".join(f"{part:02x}" for part in pixel)

    assert colour_at(0, 0.5) == colour_of(Use.DATA, hole=False)
    assert colour_at(1, 0.25) == colour_of(Use.DINODE, hole=False)
    assert colour_at(1, 0.75) == colour_of(Use.FREE, hole=False)


@pytest.mark.parametrize(
    ("uses", "heights"),
    [
        ({"data": 10}, [10]),
        ({"data": 5, "free": 5}, [5, 5]),
        ({"data": 1, "free": 999}, [1, 9]),
        ({"superblock": 1, "group": 1, "dinode": 1, "free": 997}, [1, 1, 1, 7]),
        ({"dinode": 999, "data": 1}, [9, 1]),
    ],
)
def test_shares_show_every_use_in_a_square_and_fill_it(uses: dict[str, int], heights: list[int]) -> None:
    assert [height for _, height in shares(cell(**uses))] == heights


# How colours in linear RGB look to eyes without one of the three kinds of cones. Source: Machado, Oliveira
# and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency (2009), severity 1.
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def seen_by(eyes: str, colour: str) -> tuple[float, float, float]:
    """Return the colour that these eyes see in CIE 1976 L*a*b*."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    rows = [sum(a * b for a, b in zip(row, linear, strict=True)) for row in EYES[eyes]]
    red, green, blue = (min(1.0, max(0.0, value)) for value in rows)

    def root(value: float) -> float:
        return value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116

    x = root((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
    y = root(0.2126729 * red + 0.7151522 * green + 0.0721750 * blue)
    z = root((0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eyes", EYES)
def test_colour_blind_people_can_tell_the_colours_apart(eyes: str) -> None:
    def nearest(colours: list[str]) -> float:
        seen = [seen_by(eyes, colour) for colour in colours]
        return min(math.dist(*two) for two in itertools.combinations(seen, 2))

    # A difference of 2.3 is just noticeable.
    solid = [*(colour_of(use, hole=False) for use in Use), POOL_LABEL]
    holes = [colour_of(use, hole=True) for use in Use]
    assert nearest(solid) >= 20
    assert nearest(holes) >= 7
    assert nearest(solid + holes) >= 7


def boxes(drawn: Drawing) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of each text, for fonts of an SVG a quarter wider than in a PNG."""
    found: list[tuple[float, float, float, float]] = []
    for text in drawn.texts:
        width = 1.25 * ImageFont.load_default(text.size).getlength(text.text)
        left = text.x - width if text.align == "end" else text.x
        found.append((left, text.y - text.size, left + width, text.y + text.size / 4))
    return found


@pytest.mark.parametrize("cell_blocks", [1, 1 << 24])
def test_texts_neither_overlap_nor_leave_the_picture(cell_blocks: int) -> None:
    everything = Cell((cell_blocks,) * len(Use), (cell_blocks,) * len(Use))
    found = occupancy(*[everything] * 6144, cell_blocks=cell_blocks * len(Use))
    caption = Caption(
        name="W" * 300, format="GFS2 (1802, multihost 1900)", label_bytes=8192, damages=1_000_000
    )
    drawn = draw(found, caption)
    for one, other in itertools.combinations(boxes(drawn), 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], (
            one,
            other,
        )
    for left, top, right, bottom in boxes(drawn):
        assert 0 <= left <= right <= drawn.width
        assert 0 <= top <= bottom <= drawn.height


@pytest.mark.parametrize("block_size", [512, 4096, 65536])
@pytest.mark.parametrize("cells", [3073, 4096, 6144])
def test_labels_of_rows_are_the_bytes_at_which_they_begin(block_size: int, cells: int) -> None:
    found = occupancy(*[cell(free=8)] * cells, cell_blocks=8)
    drawn = draw(replace(found, block_size=block_size), CAPTION)
    labels = [text for text in drawn.texts if text.x < drawing.LEFT]
    assert len(labels) >= 3
    for text in labels:
        row = (text.y - drawing.TOP) // drawing.PITCH
        assert parse_size(text.text) == row * drawing.COLUMNS * 8 * block_size


def test_svg_has_a_square_for_each_cell_at_its_place(drawn: Drawing) -> None:
    root = ET.fromstring(svg(drawn))  # noqa: S314 - our own
    paths = {path.get("fill"): path.get("d") or "" for path in root.iter(f"{SVG}path")}

    def rectangles(use: Use) -> list[tuple[int, ...]]:
        found = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", paths[colour_of(use, hole=False)])
        return [each for each in (tuple(map(int, one)) for one in found) if each[2] == drawing.SIDE]

    left, top, pitch, side = drawing.LEFT, drawing.TOP, drawing.PITCH, drawing.SIDE
    assert rectangles(Use.DATA) == [(left, top, side, side)]
    assert rectangles(Use.DINODE) == [(left + pitch, top + side // 2, side, side // 2)]
    free = rectangles(Use.FREE)
    assert len(free) == 201
    assert free[0] == (left + pitch, top, side, side // 2)
    last = 201  # counted from 0
    column, row = last % drawing.COLUMNS, last // drawing.COLUMNS
    assert free[-1] == (left + column * pitch, top + row * pitch, side, side)


def test_png_escapes_characters_that_its_font_lacks_and_svg_keeps_them() -> None:
    found = occupancy(cell(data=10))
    odd = draw(found, replace(CAPTION, name="b\u00f6 \u65e5"))
    assert png(odd) == png(draw(found, replace(CAPTION, name=r"b\xf6 \u65e5")))
    assert png(odd) != png(draw(found, replace(CAPTION, name="b\u00e4 \u65e5")))
    assert "b\u00f6 \u65e5" in svg(odd).decode()


def test_the_same_drawing_gives_the_same_bytes(drawn: Drawing) -> None:
    assert svg(drawn) == svg(drawn)
    assert png(drawn) == png(drawn)


def test_picture_in_a_folder_that_cannot_be_made_is_an_error(drawn: Drawing, tmp_path: Path) -> None:
    write_gfs1_image(tmp_path / "image", Tree(Meta(mode=0o755)), size_mib=16)
    with pytest.raises(SsiumlError, match="cannot be written"):
        write_picture(tmp_path / "image" / "a.svg", drawn)


def test_picture_that_cannot_be_replaced_is_written_in_place(drawn: Drawing) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    with tempfile.TemporaryDirectory() as folder:  # root's; the other user may not make a file in it
        Path(folder).chmod(0o755)
        picture = Path(folder, "a.svg")
        picture.write_text("old")
        picture.chmod(0o666)
        number = picture.stat().st_ino
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(54_321)
            os.setuid(54_321)
            try:
                write_picture(picture, drawn)
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (picture.stat().st_ino, picture.read_bytes()) == (number, svg(drawn))
