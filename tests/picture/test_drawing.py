"""The picture: SVG that an XML parser reads, PNG that has the colours where the squares are."""

import io
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from gfs1_tools import made
from PIL import Image

from ssiuml.errors import SsiumlError
from ssiuml.picture import drawing
from ssiuml.picture.drawing import Caption, Drawing, colour_of, draw, shares
from ssiuml.picture.occupancy import Occupancy
from ssiuml.picture.png import SCALE, png
from ssiuml.picture.svg import svg
from ssiuml.picture.tally import Cell, Use
from ssiuml.picture.write import write_picture
from ssiuml.tree import Meta, Tree

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


def test_svg_is_xml_with_name_counts_and_a_colour_for_each_use(drawn: Drawing) -> None:
    root = ET.fromstring(svg(drawn))  # noqa: S314 - our own
    assert root.findtext(f"{SVG}title") == "Map of <root & fs>"
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"<root & fs>", "file data", "inodes", "free", "10", "5", "2,005"} <= texts
    colours = {path.get("fill") for path in root.iter(f"{SVG}path")}
    assert {colour_of(use, hole=False) for use in (Use.DATA, Use.DINODE, Use.FREE)} <= colours
    assert colour_of(Use.JOURNAL, hole=False) not in colours


def test_png_has_the_colours_where_the_squares_are(drawn: Drawing, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(drawn))
    said = subprocess.run(["file", tmp_path / "a.png"], capture_output=True, text=True, check=True).stdout
    assert f"PNG image data, {drawn.width * SCALE} x {drawn.height * SCALE}" in said
    picture = Image.open(io.BytesIO(png(drawn))).convert("RGB")

    def colour_at(number: int, height: float) -> str:
        x = drawing.LEFT + number * drawing.PITCH + drawing.SIDE / 2
        y = drawing.TOP + drawing.SIDE * (1 - height)
        pixel = picture.getpixel((int(x * SCALE), int(y * SCALE)))
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
def test_whatever_is_in_a_square_is_seen_and_the_shares_fill_it(
    uses: dict[str, int], heights: list[int]
) -> None:
    assert [height for _, height in shares(cell(**uses))] == heights


def test_uses_have_colours_of_their_own_also_as_holes() -> None:
    colours = [colour_of(use, hole=hole) for use in Use for hole in (False, True)]
    assert len(set(colours)) == len(colours)


def test_same_drawing_gives_the_same_bytes(drawn: Drawing) -> None:
    assert svg(drawn) == svg(drawn)
    assert png(drawn) == png(drawn)


def test_folder_that_is_not_there_is_an_error_without_traceback(drawn: Drawing, tmp_path: Path) -> None:
    made(tmp_path / "image", Tree(Meta(mode=0o755)), size_mib=16)
    with pytest.raises(SsiumlError, match="cannot be written"):
        write_picture(tmp_path / "image" / "a.svg", drawn)
