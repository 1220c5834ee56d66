"""The map of a file system image as a picture: the layout of an Occupancy, written as SVG or PNG."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import escape

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs_reader.device import label_bytes
from ssiuml.formats.gfs_reader.filesystem import Filesystem
from ssiuml.formats.gfs_reader.summary import format_text
from ssiuml.host.files import replacing
from ssiuml.inspect.occupancy import Occupancy
from ssiuml.inspect.tally import Cell, Use
from ssiuml.units import format_size

SUFFIXES: Final = (".svg", ".png")
PNG_SCALE: Final = 2  # pixels of a PNG for one of the drawing, so that text is sharp on fine screens too

COLUMNS: Final = 128  # a power of two, like the blocks of a cell: the sizes at the rows are round
PITCH: Final = 11  # from cell to cell; all lengths are pixels
SIDE: Final = 10  # of a cell
LEFT, RIGHT, TOP = 84, 24, 96
ROW: Final = 21  # of the legend
ROW_LABELS_EVERY: Final = 8

INK: Final = "#22262b"
SOFT_INK: Final = "#6a717a"
ALARM: Final = "#c2185b"
PAPER: Final = "#ffffff"
POOL_LABEL: Final = "#43d186"

# A search chose these: solid and pale ones are far apart even for eyes that lack red, green or blue cones.
_COLOURS: Final = {
    Use.SUPERBLOCK: "#010101",
    Use.GROUP: "#95170e",
    Use.JOURNAL: "#952dd9",
    Use.DINODE: "#f1550f",
    Use.METADATA: "#f8dd14",
    Use.DATA: "#315c95",
    Use.UNKNOWN: "#f565f4",
    Use.OUTSIDE: "#4c4d4e",
    Use.FREE: "#cfd5db",
}
_NAMES: Final = {
    Use.SUPERBLOCK: "superblock",
    Use.GROUP: "headers and bitmaps of resource groups",
    Use.JOURNAL: "journals",
    Use.DINODE: "inodes",
    Use.METADATA: "other metadata",
    Use.DATA: "file data",
    Use.UNKNOWN: "marked as used or unreadable, but nothing points there",
    Use.OUTSIDE: "outside of resource groups",
    Use.FREE: "free",
}
_HOLE_STRENGTH: Final = 0.38  # how much of its colour a hole keeps


@dataclass(frozen=True, slots=True)
class Rectangle:
    x: int
    y: int
    width: int
    height: int
    colour: str


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; *y* is its baseline, *x* its start or end."""

    x: int
    y: int
    size: int
    colour: str
    text: str
    align: Literal["start", "end"] = "start"


@dataclass(slots=True)
class Drawing:
    """Shapes in the order in which they are painted: first all rectangles, then all texts."""

    width: int
    height: int
    title: str
    rectangles: list[Rectangle] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Caption:
    """What the picture says of the image besides the counts; *name* is printable."""

    name: str
    format: str
    label_bytes: int  # of a pool, in front of the file system
    damages: int


def draw_filesystem(filesystem: Filesystem, occupancy: Occupancy, *, name: str, damages: int) -> Drawing:
    """Draw the *occupancy* of *filesystem*. *name* is that of the image, with escapes where needed.

    *damages* is how many defects the survey found.
    """
    source = filesystem.device
    return draw(occupancy, Caption(name, format_text(filesystem), label_bytes(source), damages))


def draw(occupancy: Occupancy, caption: Caption) -> Drawing:
    """Lay the picture out: title, cells row by row with the borders of resource groups, legend."""
    rows = -(-len(occupancy.cells) // COLUMNS)
    legend = TOP + rows * PITCH + 40
    uses = [use for use in Use if occupancy.total(use)[0]]
    lines = len(uses) + 1 + bool(caption.label_bytes)
    width = LEFT + COLUMNS * PITCH + RIGHT
    drawing = Drawing(width, legend + (lines + 3) * ROW + 22, f"Map of {caption.name}")
    drawing.rectangles.append(Rectangle(0, 0, width, drawing.height, PAPER))
    _draw_title(drawing, occupancy, caption)
    if caption.label_bytes:
        drawing.rectangles.append(Rectangle(LEFT, TOP - PITCH - 6, SIDE, SIDE, POOL_LABEL))
        drawing.texts.append(Text(LEFT + 16, TOP - 8, 11, SOFT_INK, "pool label, in front of block 0"))
    for number, cell in enumerate(occupancy.cells):
        drawing.rectangles += _cell(cell, *_place(number))
    if _has_borders(occupancy):
        drawing.rectangles += _borders(occupancy)
    for row in range(0, rows, ROW_LABELS_EVERY):
        start = row * COLUMNS * occupancy.cell_blocks * occupancy.block_size
        text = format_size(start, exact=True) if start else "0"
        drawing.texts.append(Text(LEFT - 10, TOP + row * PITCH + 9, 11, SOFT_INK, text, "end"))
    _draw_legend(drawing, occupancy, caption, legend, uses)
    return drawing


def _has_borders(occupancy: Occupancy) -> bool:
    """Return whether resource groups are large enough for lines around them."""
    return len(occupancy.groups) * 8 <= len(occupancy.cells)


def _place(number: int) -> tuple[int, int]:
    return LEFT + number % COLUMNS * PITCH, TOP + number // COLUMNS * PITCH


def _draw_title(drawing: Drawing, occupancy: Occupancy, caption: Caption) -> None:
    size = occupancy.block_size
    facts = (
        f"{caption.format}, {format_size(occupancy.blocks * size)}: "
        f"{occupancy.blocks:,} blocks of {size} bytes; "
        f"{_plural(len(occupancy.groups), 'resource group')}, {_plural(occupancy.journals, 'journal')}"
    )
    drawing.texts.append(Text(LEFT, 36, 18, INK, _shortened(caption.name, 64)))
    drawing.texts.append(Text(LEFT, 60, 13, SOFT_INK, facts))
    if caption.damages:
        warning = f"damaged, {_plural(caption.damages, 'defect')}: the map shows what can be read"
        drawing.texts.append(Text(drawing.width - RIGHT, 60, 13, ALARM, warning, "end"))


def _cell(cell: Cell, x: int, y: int) -> Iterator[Rectangle]:
    """Yield the shares of a cell from its bottom up, in the order of Use: free blocks are on top."""
    bottom = y + SIDE
    for colour, height in shares(cell):
        bottom -= height
        yield Rectangle(x, bottom, SIDE, height, colour)


def shares(cell: Cell) -> list[tuple[str, int]]:
    """Return colours with their heights, which add up to SIDE. Every use but free is at least 1 high."""
    parts: list[tuple[str, int, bool]] = []
    for use in Use:
        holes = cell.holes[use]
        for hole, count in ((False, cell.counts[use] - holes), (True, holes)):
            if count:
                parts.append((colour_of(use, hole=hole), count, use is not Use.FREE and not hole))
    total = sum(cell.counts)
    heights = [max(count * SIDE // total, int(wanted)) for _, count, wanted in parts]
    order = sorted(range(len(parts)), key=lambda number: (-(parts[number][1] * SIDE % total), number))
    for number in order:
        if sum(heights) < SIDE:
            heights[number] += 1
    while sum(heights) > SIDE:
        heights[heights.index(max(heights))] -= 1
    return [(colour, height) for (colour, _, _), height in zip(parts, heights, strict=True) if height]


def colour_of(use: Use, *, hole: bool) -> str:
    """Return the colour of blocks, a pale one for holes."""
    colour = _COLOURS[use]
    if not hole:
        return colour
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * _HOLE_STRENGTH):02x}" for part in parts)


def _borders(occupancy: Occupancy) -> Iterator[Rectangle]:
    """Yield lines in the gaps between cells where a resource group ends."""
    groups = [occupancy.group_of(number) for number in range(len(occupancy.cells))]
    count = len(groups)
    for number, group in enumerate(groups):
        x, y = _place(number)
        column = number % COLUMNS
        if column == 0 or groups[number - 1] != group:
            yield Rectangle(x - 1, y - 1, 1, PITCH + 1, INK)
        if column == COLUMNS - 1 or number == count - 1:
            yield Rectangle(x + SIDE, y - 1, 1, PITCH + 1, INK)
        if number < COLUMNS or groups[number - COLUMNS] != group:
            yield Rectangle(x - 1, y - 1, PITCH + 1, 1, INK)
        if number + COLUMNS >= count:
            yield Rectangle(x - 1, y + SIDE, PITCH + 1, 1, INK)


def _draw_legend(drawing: Drawing, occupancy: Occupancy, caption: Caption, top: int, uses: list[Use]) -> None:
    blocks_at, size_at, holes_at = LEFT + 600, LEFT + 740, LEFT + 900
    y = top
    for x, text in ((blocks_at, "blocks"), (size_at, "size"), (holes_at, "size of holes")):
        drawing.texts.append(Text(x, y, 12, SOFT_INK, text, "end"))
    drawing.texts.append(Text(LEFT + 34, y, 12, SOFT_INK, "use; pale: a hole of the image file"))
    y += ROW
    if caption.label_bytes:
        drawing.rectangles.append(Rectangle(LEFT, y - 10, 22, 12, POOL_LABEL))
        drawing.texts.append(Text(LEFT + 34, y, 13, INK, "pool label"))
        drawing.texts.append(Text(size_at, y, 13, INK, format_size(caption.label_bytes), "end"))
        y += ROW
    for use in uses:
        count, holes = occupancy.total(use)
        drawing.rectangles.append(Rectangle(LEFT, y - 10, 11, 12, colour_of(use, hole=False)))
        drawing.rectangles.append(Rectangle(LEFT + 11, y - 10, 11, 12, colour_of(use, hole=True)))
        drawing.texts.append(Text(LEFT + 34, y, 13, INK, _NAMES[use]))
        drawing.texts.append(Text(blocks_at, y, 13, INK, f"{count:,}", "end"))
        drawing.texts.append(Text(size_at, y, 13, INK, format_size(count * occupancy.block_size), "end"))
        if holes:
            size = format_size(holes * occupancy.block_size)
            drawing.texts.append(Text(holes_at, y, 13, INK, size, "end"))
        y += ROW
    cell = occupancy.cell_blocks
    squares = (
        f"Each square is {_plural(cell, 'block')} ({format_size(cell * occupancy.block_size)}), row by row. "
        "Its layers show the shares of the uses in it, the smallest as a thin line."
    )
    borders = (
        "A line surrounds each resource group."
        if _has_borders(occupancy)
        else "Resource groups are too small here for lines around them."
    )
    drawing.texts.append(Text(LEFT, y + 12, 12, SOFT_INK, f"{squares} {borders}"))


def _shortened(text: str, most: int) -> str:
    """Return *text* with its middle left out if it is longer than *most* characters."""
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def write_picture(target: Path, drawing: Drawing) -> None:
    """Write *drawing* in the format that the suffix of *target* names, one of SUFFIXES.

    A file that can be written but not replaced, such as one in a folder of another user, is written in place.
    Raise SsiumlError if the file cannot be written, or if Pillow is missing for a PNG.
    """
    data = svg(drawing) if target.suffix.lower() == ".svg" else png(drawing)
    try:
        try:
            with replacing(target) as part:
                part.write_bytes(data)
        except PermissionError:
            if not target.exists():
                raise
            target.write_bytes(data)
    except OSError as error:
        raise SsiumlError(f"{target}: cannot be written: {error.strerror}") from error


def svg(drawing: Drawing) -> bytes:
    """Return *drawing* as SVG. The same drawing gives the same bytes."""
    return ("\n".join(_svg_lines(drawing)) + "\n").encode()


def _svg_lines(drawing: Drawing) -> Iterator[str]:
    width, height, title = drawing.width, drawing.height, escape(drawing.title)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="DejaVu Sans, Verdana, sans-serif">'
    )
    yield f"<title>{title}</title>"
    # One path for each colour, in the order of their first rectangles: only the paper lies below others.
    paths: dict[str, list[str]] = {}
    for each in drawing.rectangles:
        path = f"M{each.x} {each.y}h{each.width}v{each.height}h-{each.width}z"
        paths.setdefault(each.colour, []).append(path)
    for colour, parts in paths.items():
        # Edges lie on whole pixels; smoothing would only blur them where the picture is scaled.
        yield f'<path fill="{colour}" shape-rendering="crispEdges" d="{"".join(parts)}"/>'
    for text in drawing.texts:
        align = ' text-anchor="end"' if text.align == "end" else ""
        place = f'x="{text.x}" y="{text.y}" font-size="{text.size}" fill="{text.colour}"{align}'
        yield f"<text {place}>{escape(text.text)}</text>"
    yield "</svg>"


def png(drawing: Drawing) -> bytes:
    """Return *drawing* as PNG. The same drawing and version of Pillow give the same bytes.

    Raise SsiumlError if Pillow is missing.
    """
    try:
        # Imported here alone: everything else works without Pillow.
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise SsiumlError(
            f"a PNG needs the Python package Pillow: {error}",
            hint="install it (pip install pillow), or give -o FILE.svg",
        ) from error
    image = Image.new("RGB", (drawing.width * PNG_SCALE, drawing.height * PNG_SCALE))
    pen = ImageDraw.Draw(image)
    for each in drawing.rectangles:
        right, bottom = (each.x + each.width) * PNG_SCALE - 1, (each.y + each.height) * PNG_SCALE - 1
        pen.rectangle((each.x * PNG_SCALE, each.y * PNG_SCALE, right, bottom), fill=each.colour)
    for text in drawing.texts:
        font = ImageFont.load_default(text.size * PNG_SCALE)
        anchor = "rs" if text.align == "end" else "ls"
        # Pillow's own font, the same on all machines, has only boxes for other characters.
        ascii_text = text.text.encode("ascii", "backslashreplace").decode()
        place = (text.x * PNG_SCALE, text.y * PNG_SCALE)
        pen.text(place, ascii_text, fill=text.colour, font=font, anchor=anchor)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()
