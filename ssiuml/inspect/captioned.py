"""The picture of a file system with what is told about it."""

from ssiuml.formats.gfs_reader.device import label_bytes
from ssiuml.formats.gfs_reader.filesystem import Filesystem
from ssiuml.formats.gfs_reader.summary import format_text
from ssiuml.inspect.drawing import Caption, Drawing, draw
from ssiuml.inspect.occupancy import Occupancy


def draw_filesystem(filesystem: Filesystem, occupancy: Occupancy, *, name: str, damages: int) -> Drawing:
    """Draw *occupancy*, which was surveyed in *filesystem*; *name*, of the image, is printable."""
    caption = Caption(
        name=name,
        format=format_text(filesystem),
        label_bytes=label_bytes(filesystem.device),
        damages=damages,
    )
    return draw(occupancy, caption)
