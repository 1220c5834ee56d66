"""The picture of a file system with what is told about it."""

from ssiuml.picture.drawing import Caption, Drawing, draw
from ssiuml.picture.occupancy import Occupancy
from ssiuml.reading.filesystem import Filesystem
from ssiuml.reading.source import label_bytes
from ssiuml.reading.summary import format_text


def draw_filesystem(filesystem: Filesystem, occupancy: Occupancy, *, name: str, damages: int) -> Drawing:
    """Draw *occupancy*, which was surveyed in *filesystem*; *name*, of the image, is printable."""
    caption = Caption(
        name=name,
        format=format_text(filesystem),
        label_bytes=label_bytes(filesystem.source),
        damages=damages,
    )
    return draw(occupancy, caption)
