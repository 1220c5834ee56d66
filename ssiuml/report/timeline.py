"""When each step ran and how long, as a bar chart in SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 900  # all lengths are pixels
NAMES: Final = 130
FIGURES: Final = 70
ROW: Final = 24
BAR: Final = 14
TOP: Final = 26
LEAST: Final = 2  # of a bar, so that it is seen
_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200)
_MOST_TICKS: Final = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """One step: *begin* and *seconds* on the chart's time; *earlier* if a build before this one made it."""

    name: str
    begin: float
    seconds: float
    earlier: bool


def draw_timeline(bars: Sequence[Bar]) -> str:
    """The chart; what an earlier build made is pale, at the left. The same bars give the same chart."""
    return "\n".join(_lines(bars))


def _lines(bars: Sequence[Bar]) -> Iterator[str]:
    end = max((bar.begin + bar.seconds for bar in bars), default=0.0) or 1.0
    room = WIDTH - NAMES - FIGURES
    height = TOP + ROW * len(bars) + 6
    space = f'viewBox="0 0 {WIDTH} {height}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {space} class="timeline" role="img">'
    yield "<title>When each step ran, and how long</title>"
    tick = next((step for step in _STEPS if end / step <= _MOST_TICKS), _STEPS[-1])
    for number in range(int(end / tick) + 1):
        x = NAMES + number * tick / end * room
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 6}"/>'
        yield f'<text class="soft" x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{number * tick:g} s</text>'
    for row, bar in enumerate(bars):
        y = TOP + row * ROW
        x, width = NAMES + bar.begin / end * room, max(bar.seconds / end * room, LEAST)
        kind = "earlier" if bar.earlier else "bar"
        yield f'<text x="{NAMES - 10}" y="{y + 15}" text-anchor="end">{escape(bar.name)}</text>'
        yield f'<rect class="{kind}" x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{BAR}" rx="3"/>'
        yield f'<text class="soft" x="{x + width + 6:.1f}" y="{y + 15}">{bar.seconds:.1f} s</text>'
    yield "</svg>"
