"""Paints a Drawing as PNG."""

import io

from PIL import Image, ImageDraw, ImageFont

from ssiuml.inspect.drawing import Drawing

SCALE = 2  # pixels of the PNG for one of the drawing: text is sharp on fine screens, too


def png(drawing: Drawing) -> bytes:
    """The same bytes for the same drawing and version of Pillow."""
    image = Image.new("RGB", (drawing.width * SCALE, drawing.height * SCALE))
    pen = ImageDraw.Draw(image)
    for each in drawing.rectangles:
        right, bottom = each.x + each.width, each.y + each.height
        corners = (each.x * SCALE, each.y * SCALE, right * SCALE - 1, bottom * SCALE - 1)
        pen.rectangle(corners, fill=each.colour)
    for text in drawing.texts:
        font = ImageFont.load_default(text.size * SCALE)
        anchor = "rs" if text.align == "end" else "ls"
        # Pillow's own font, the same everywhere, has boxes for all else.
        ascii_text = text.text.encode("ascii", "backslashreplace").decode()
        pen.text((text.x * SCALE, text.y * SCALE), ascii_text, fill=text.colour, font=font, anchor=anchor)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()
