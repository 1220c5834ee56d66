"""Contents that lie in several pieces in a file of the host, such as a file within a file-system image."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Final

from ssiuml.tree.tree import Extent, TreeError, read_exactly

# The limit only bounds chunks(), which writes holes out as zeros. Writers that keep holes do not call it.
MAX_HOLES_BYTES: Final = 64 << 30
_ZEROS: Final = bytes(1 << 16)

Piece = tuple[int, int, int]  # offset in the contents, offset in the host's file, length; all in bytes


@dataclass(frozen=True, slots=True)
class Extents:
    """Pieces of one file of the host, ascending and without overlap in the contents; the rest are holes.

    Every piece has a length above 0 and lies within *size_bytes*. *path* may be a string, as in Extent.
    """

    path: Path | str
    size_bytes: int
    pieces: Sequence[Piece]

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, holes as zeros.

        Raise TreeError if there are more than MAX_HOLES_BYTES of holes, or if the file has become shorter.
        """
        holes = self.size_bytes - sum(length for _, _, length in self.pieces)
        if holes > MAX_HOLES_BYTES:
            raise TreeError(
                f"{self.path}: a file in it has {self.size_bytes} bytes, {holes} of them are holes, too many "
                f"to be written as zeros (at most {MAX_HOLES_BYTES})",
                hint="write it to a file system that keeps holes, or leave it out",
            )
        done = 0
        for offset, data in chain(self.spans(), [(self.size_bytes, b"")]):
            while done < offset:
                step = min(offset - done, len(_ZEROS))
                yield _ZEROS[:step]
                done += step
            if data:
                yield data
            done += len(data)

    def spans(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) in order, without holes. Raise TreeError if the file has become shorter."""
        with open(self.path, "rb", buffering=0) as stream:  # noqa: PTH123 - as in Extent
            for offset, source, length in self.pieces:
                stream.seek(source)
                done = offset
                for chunk in read_exactly(stream, length, str(self.path)):
                    yield done, chunk
                    done += len(chunk)


def pieces_between(content: Extent | Extents, start: int, end: int) -> list[Piece]:
    """Return the pieces, ascending and without holes, of the bytes from *start* to *end* of the contents."""
    if isinstance(content, Extent):
        return [(start, content.offset_bytes + start, end - start)]
    pieces = content.pieces
    number = max(0, bisect_right(pieces, start, key=itemgetter(0)) - 1)
    found: list[Piece] = []
    while number < len(pieces) and pieces[number][0] < end:
        offset, source, length = pieces[number]
        skipped = max(0, start - offset)
        left = min(offset + length, end) - offset - skipped
        if left > 0:
            found.append((offset + skipped, source + skipped, left))
        number += 1
    return found
