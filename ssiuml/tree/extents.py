"""Contents that lie in several pieces in a file of the host, such as a file within a file-system image."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

from ssiuml.tree.tree import Extent, TreeError, read_exactly

# Nobody wants more zeros than these streamed; who keeps holes does not call chunks.
MAX_HOLES_BYTES: Final = 64 << 30
_ZEROS: Final = bytes(1 << 16)

Segment = tuple[int, int, int]  # offset in the contents, offset in the host's file, length; all in bytes


@dataclass(frozen=True, slots=True)
class Extents:
    """Pieces of one file of the host, ascending and apart in the contents; zeros (holes) everywhere else.

    Every piece has a length and lies within *size_bytes*. *path* may be a string, as in Extent.
    """

    path: Path | str
    size_bytes: int
    pieces: Sequence[Segment]

    def chunks(self) -> Iterator[bytes]:
        """Yield everything, the holes' zeros too; TreeError if those are too many or the file is shorter."""
        holes = self.size_bytes - sum(length for _, _, length in self.pieces)
        if holes > MAX_HOLES_BYTES:
            raise TreeError(
                f"{self.path}: a file in it has {self.size_bytes} bytes, of which {holes} are holes, "
                f"too many to be written as zeros",
                hint="write it to a file system that keeps holes, or leave it out",
            )
        done = 0
        with open(self.path, "rb", buffering=0) as stream:  # noqa: PTH123 - as in Extent
            for offset, source, length in (*self.pieces, (self.size_bytes, 0, 0)):
                while done < offset:
                    step = min(offset - done, len(_ZEROS))
                    yield _ZEROS[:step]
                    done += step
                stream.seek(source)
                yield from read_exactly(stream, length, str(self.path))
                done += length


def segments(content: Extent | Extents, start: int, end: int) -> list[Segment]:
    """What lies where of the bytes from *start* to *end* of the contents, without the holes; ascending."""
    if isinstance(content, Extent):
        return [(start, content.offset_bytes + start, end - start)]
    pieces = content.pieces
    number = max(0, bisect_right(pieces, start, key=itemgetter(0)) - 1)
    found: list[Segment] = []
    while number < len(pieces) and pieces[number][0] < end:
        offset, source, length = pieces[number]
        skipped = max(0, start - offset)
        left = min(offset + length, end) - offset - skipped
        if left > 0:
            found.append((offset + skipped, source + skipped, left))
        number += 1
    return found
