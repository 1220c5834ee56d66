"""The picture of an Occupancy as rectangles, lines and texts, whatever they are drawn with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from ssiuml.inspect.occupancy import Occupancy
from ssiuml.inspect.tally import Cell, Use
from ssiuml.units import format_size

COLUMNS: Final = 128  # a power of two, as a cell is: the sizes at the rows are round
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

# Chosen by search: far apart also for eyes that tell red, green or blue less well, solid ones and pale ones.
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
    Use.GROUP: "resource groups' headers and bitmaps",
    Use.JOURNAL: "journals",
    Use.DINODE: "inodes",
    Use.METADATA: "other metadata",
    Use.DATA: "file data",
    Use.UNKNOWN: "marked as used or unreadable, nothing leads there",
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
    """A line of text; *y* is its baseline, *x* where it starts or ends."""

    x: int
    y: int
    size: int
    colour: str
    text: str
    align: Literal["start", "end"] = "start"


@dataclass(slots=True)
class Drawing:
    """Shapes in the order in which they are drawn: rectangles first, then texts."""

    width: int
    height: int
    title: str
    rectangles: list[Rectangle] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Caption:
    """What is told about the image beside the counts; names are printable."""

    name: str
    format: str
    label_bytes: int  # of a pool, in front of the file system
    damages: int


def colour_of(use: Use, *, hole: bool) -> str:
    """The colour of blocks; that of holes is pale."""
    colour = _COLOURS[use]
    if not hole:
        return colour
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * _HOLE_STRENGTH):02x}" for part in parts)


def draw(occupancy: Occupancy, caption: Caption) -> Drawing:
    """Lay the picture out: title, cells row by row with the groups' borders, legend."""
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
    if has_borders(occupancy):
        drawing.rectangles += _borders(occupancy)
    for row in range(0, rows, ROW_LABELS_EVERY):
        start = row * COLUMNS * occupancy.cell_blocks * occupancy.block_size
        place = TOP + row * PITCH + 9
        drawing.texts.append(
            Text(LEFT - 10, place, 11, SOFT_INK, format_size(start, exact=True) if start else "0", "end")
        )
    _draw_legend(drawing, occupancy, caption, legend, uses)
    return drawing


def has_borders(occupancy: Occupancy) -> bool:
    """Whether resource groups are so large that a line around each still leaves something to see."""
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
    drawing.texts.append(Text(LEFT, 36, 18, INK, shortened(caption.name, 64)))
    drawing.texts.append(Text(LEFT, 60, 13, SOFT_INK, facts))
    if caption.damages:
        told = f"damaged, {_plural(caption.damages, 'defect')}: drawn is what can be read"
        drawing.texts.append(Text(drawing.width - RIGHT, 60, 13, ALARM, told, "end"))


def _cell(cell: Cell, x: int, y: int) -> Iterator[Rectangle]:
    """The shares of a cell as layers, in the order of Use, upwards: it looks filled as far as it is."""
    bottom = y + SIDE
    for colour, height in shares(cell):
        bottom -= height
        yield Rectangle(x, bottom, SIDE, height, colour)


def shares(cell: Cell) -> list[tuple[str, int]]:
    """Colours and heights that add up to SIDE; whatever is there, but for what is free, is seen."""
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


def _borders(occupancy: Occupancy) -> Iterator[Rectangle]:
    """Lines in the gaps between cells, wherever one resource group ends and something else begins."""
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
    for x, text in ((blocks_at, "blocks"), (size_at, "size"), (holes_at, "of it holes")):
        drawing.texts.append(Text(x, y, 12, SOFT_INK, text, "end"))
    drawing.texts.append(Text(LEFT + 34, y, 12, SOFT_INK, "what, and as a hole of the image file"))
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
            told = format_size(holes * occupancy.block_size)
            drawing.texts.append(Text(holes_at, y, 13, INK, told, "end"))
        y += ROW
    cell = occupancy.cell_blocks
    how = (
        f"Each square is {_plural(cell, 'block')} ({format_size(cell * occupancy.block_size)}), read line by "
        "line; its layers are the shares of what is in it, the smallest a thin line."
    )
    lines = (
        "A line surrounds each resource group."
        if has_borders(occupancy)
        else ("Resource groups are too small here for lines around them.")
    )
    drawing.texts.append(Text(LEFT, y + 12, 12, SOFT_INK, f"{how} {lines}"))


def shortened(text: str, most: int) -> str:
    """*text*, its middle left out if it is longer than *most* characters."""
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
