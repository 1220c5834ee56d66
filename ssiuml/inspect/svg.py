"""Writes a Drawing as SVG."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from ssiuml.inspect.drawing import Drawing, Rectangle


def svg(drawing: Drawing) -> bytes:
    """The same bytes for the same drawing."""
    return ("\n".join(_lines(drawing)) + "\n").encode()


def _lines(drawing: Drawing) -> Iterator[str]:
    width, height, title = drawing.width, drawing.height, escape(drawing.title)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="DejaVu Sans, Verdana, sans-serif">'
    )
    yield f"<title>{title}</title>"
    yield from _paths(drawing.rectangles)
    for text in drawing.texts:
        align = ' text-anchor="end"' if text.align == "end" else ""
        place = f'x="{text.x}" y="{text.y}" font-size="{text.size}" fill="{text.colour}"{align}'
        yield f"<text {place}>{escape(text.text)}</text>"
    yield "</svg>"


def _paths(rectangles: list[Rectangle]) -> Iterator[str]:
    """One path for each colour, in the order of their first rectangles: no two overlap but on the ground."""
    by_colour: dict[str, list[str]] = {}
    for each in rectangles:
        path = f"M{each.x} {each.y}h{each.width}v{each.height}h-{each.width}z"
        by_colour.setdefault(each.colour, []).append(path)
    for colour, paths in by_colour.items():
        # Edges lie on whole pixels; smoothing would only blur them where the picture is scaled.
        yield f'<path fill="{colour}" shape-rendering="crispEdges" d="{"".join(paths)}"/>'
