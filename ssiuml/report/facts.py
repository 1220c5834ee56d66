"""The tables and pictures of a report: images, packages, a chart of times, a map of the root."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from ssiuml.debian.deb import STATUS, installed
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, NoFilesystemError, read_filesystem
from ssiuml.host import files
from ssiuml.inspect.drawing import draw_filesystem, svg
from ssiuml.inspect.occupancy import survey_occupancy
from ssiuml.pipeline.explain import State
from ssiuml.pipeline.plan import Plan
from ssiuml.tree.tree import Tree
from ssiuml.units import format_size

LARGEST: Final = 10  # packages in the table
# The chart of times, in pixels.
WIDTH: Final = 900
NAMES_WIDTH: Final = 130
FIGURES_WIDTH: Final = 70
ROW_HEIGHT: Final = 24
BAR_HEIGHT: Final = 14
TOP: Final = 26
LEAST_BAR_WIDTH: Final = 2  # a shorter bar would not be seen
_TICKS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200)
_MOST_TICKS: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: a name, and figures beside it."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A step in the chart of times, in seconds; *earlier* if a build before the last one made it."""

    name: str
    begin: float
    seconds: float
    earlier: bool


def image_rows(plan: Plan, values: Mapping[str, Any]) -> list[Row]:
    """Return size, allocated size and digest of each image in the manifest *values*."""
    rows = []
    for key in ("root_fs", "root_cidev", "kernel", "initrd", "initrd_memexp"):
        facts = values.get(key, {})
        path = plan.places.out / str(facts.get("file", ""))
        if path.is_file():
            sizes = (format_size(path.stat().st_size), format_size(files.allocated_bytes(path)))
            rows.append(Row(path.name, (*sizes, facts.get("sha256", ""))))
    return rows


def package_rows(tree: Tree) -> tuple[int, list[Row]]:
    """Return the number of Debian packages in the root, and the largest ones with their installed size."""
    node = tree.find(STATUS)
    if node is None:
        return 0, []
    found = installed(node.read().decode("utf-8"))
    sizes = {each["Package"]: int(each.get("Installed-Size", "0")) << 10 for each in found}
    largest = sorted(sizes, key=lambda each: (-sizes[each], each))[:LARGEST]
    return len(sizes), [Row(each, (format_size(sizes[each]),)) for each in largest]


def map_of(image: Path) -> str:
    """Return a map of the root *image* as an SVG element; empty if the image cannot be read."""
    damages: list[Damaged] = []
    with open_image(image) as source:
        try:
            filesystem = read_filesystem(source)
        except (Damaged, NoFilesystemError):
            return ""
        occupancy = survey_occupancy(filesystem, damages.append)
        drawing = draw_filesystem(filesystem, occupancy, name=image.name, damages=len(damages))
        return svg_element(svg(drawing).decode())


def svg_element(picture: str) -> str:
    """Return the element of an SVG file, for a page of HTML, without the declarations before it."""
    return picture[picture.index("<svg") :]


def bars_of(states: Sequence[State]) -> list[Bar]:
    """Return when each step ran, from the beginning of the last build; steps of earlier builds begin at 0."""
    timed = [(state.step.name, timing) for state in states if (timing := state.step.duration())]
    last = max((timing.build for _, timing in timed), default=0.0)
    begin = min((timing.started for _, timing in timed if timing.build == last), default=0.0)
    return [
        Bar(name, max(timing.started - begin, 0.0), timing.seconds, earlier=False)
        if timing.build == last
        else Bar(name, 0.0, timing.seconds, earlier=True)
        for name, timing in timed
    ]


def draw_timeline(bars: Sequence[Bar]) -> str:
    """Return the chart of times as an SVG element. The same bars give the same chart."""
    return "\n".join(_timeline(bars))


def _timeline(bars: Sequence[Bar]) -> Iterator[str]:
    end = max((bar.begin + bar.seconds for bar in bars), default=0.0) or 1.0
    room = WIDTH - NAMES_WIDTH - FIGURES_WIDTH
    height = TOP + ROW_HEIGHT * len(bars) + 6
    space = f'viewBox="0 0 {WIDTH} {height}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {space} class="timeline" role="img">'
    yield "<title>When each step ran, and how long</title>"
    tick = next((step for step in _TICKS_S if end / step <= _MOST_TICKS), _TICKS_S[-1])
    for number in range(int(end / tick) + 1):
        x = NAMES_WIDTH + number * tick / end * room
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 6}"/>'
        yield f'<text class="soft" x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{number * tick:g} s</text>'
    for row, bar in enumerate(bars):
        y = TOP + row * ROW_HEIGHT
        x = NAMES_WIDTH + bar.begin / end * room
        width = max(bar.seconds / end * room, LEAST_BAR_WIDTH)
        kind = "earlier" if bar.earlier else "bar"
        yield f'<text x="{NAMES_WIDTH - 10}" y="{y + 15}" text-anchor="end">{escape(bar.name)}</text>'
        place = f'x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{BAR_HEIGHT}"'
        yield f'<rect class="{kind}" {place} rx="3"/>'
        yield f'<text class="soft" x="{x + width + 6:.1f}" y="{y + 15}">{bar.seconds:.1f} s</text>'
    yield "</svg>"
