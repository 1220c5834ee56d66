"""Writes a Drawing to a file, in the format that its ending names."""

from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import replacing
from ssiuml.inspect.drawing import Drawing
from ssiuml.inspect.svg import svg

PICTURES: Final = (".svg", ".png")


def write_picture(target: Path, drawing: Drawing) -> None:
    """Write an SVG or a PNG; SsiumlError if it cannot be written, or nothing is there to make a PNG with."""
    data = svg(drawing) if target.suffix.lower() == ".svg" else _png(drawing)
    try:
        with replacing(target) as part:
            part.write_bytes(data)
    except OSError as error:
        raise SsiumlError(f"{target}: cannot be written: {error.strerror}") from error


def _png(drawing: Drawing) -> bytes:
    try:
        # Only here: all else that ssi-image does works without Pillow.
        from ssiuml.inspect.png import png
    except ImportError as error:
        raise SsiumlError(
            f"a PNG needs the Python package Pillow: {error}",
            hint="install it (pip install pillow), or -o FILE.svg",
        ) from error
    return png(drawing)
