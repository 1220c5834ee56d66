"""Where the contents of files are, and where they have holes.

What goes wrong with the host's files is a TreeError: an OSError is about the image that is written.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from ssiuml.formats.gfs.shape import Run
from ssiuml.host.files import SECTOR_BYTES, data_ranges
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Content, Extent, TreeError

_OPEN_FILES: Final = 16


@dataclass(frozen=True, slots=True)
class Pieces:
    """Contents with holes: bytes at their offsets, ascending and apart; zeros everywhere else."""

    size_bytes: int
    pieces: Sequence[tuple[int, bytes]]

    def chunks(self) -> Iterator[bytes]:
        """Yield everything, the holes' zeros too."""
        done = 0
        for offset, data in (*self.pieces, (self.size_bytes, b"")):
            while done < offset:
                step = min(offset - done, 1 << 20)
                yield bytes(step)
                done += step
            yield data
            done += len(data)


class Sources:
    """The host's files that contents lie in: the last few stay open, and their holes are looked for."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, int] = OrderedDict()
        self._last: tuple[Path | str, int] | None = None
        self._dense: dict[str, bool] = {}

    def __enter__(self) -> "Sources":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._last = None
        while self._open:
            os.close(self._open.popitem()[1])

    def descriptor(self, path: Path | str) -> int:
        """The open file *path*; TreeError if it cannot be read."""
        # All members of an archive share one Path; comparing it is much faster than looking it up.
        if self._last is not None and self._last[0] is path:
            return self._last[1]
        name = str(path)
        number = self._open.get(name)
        if number is None:
            if len(self._open) >= _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            try:
                number = self._open[name] = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise unreadable(name, error) from error
        else:
            self._open.move_to_end(name)
        self._last = (path, number)
        return number

    def data_runs(self, content: Content, unit_bytes: int) -> Sequence[Run] | None:
        """The units of *unit_bytes* that hold data; None if all do.

        TreeError if the file is too short or cannot be read.
        """
        units = -(-content.size_bytes // unit_bytes)
        if isinstance(content, Pieces):
            spans = [(offset, offset + len(data)) for offset, data in content.pieces if data]
        elif isinstance(content, Extents):
            spans = [(offset, offset + length) for offset, _, length in content.pieces]
        elif isinstance(content, Extent) and not self._is_dense(content.path):
            spans = list(self._spans(content))
        else:
            return None
        runs: list[Run] = []
        for start, end in spans:
            first, last = start // unit_bytes, -(-end // unit_bytes)
            if runs and first <= sum(runs[-1]):
                first = runs.pop()[0]
            runs.append((first, last - first))
        return None if runs == [(0, units)] else runs

    def _is_dense(self, path: Path | str) -> bool:
        name = str(path)
        dense = self._dense.get(name)
        if dense is None:
            try:
                state = os.stat(name)  # noqa: PTH116 - twice as fast as Path.stat, and one for each file
            except OSError as error:
                raise unreadable(name, error) from error
            dense = state.st_blocks * SECTOR_BYTES >= state.st_size
            if len(self._dense) > _OPEN_FILES:
                self._dense.clear()
            self._dense[name] = dense
        return dense

    def _spans(self, extent: Extent) -> Iterator[tuple[int, int]]:
        number = self.descriptor(extent.path)
        end = extent.offset_bytes + extent.size_bytes
        if os.fstat(number).st_size < end:  # what is cut off must not pass for a hole
            raise changed(str(extent.path), extent.size_bytes)
        try:
            for start, stop in data_ranges(number, extent.offset_bytes, end):
                yield start - extent.offset_bytes, stop - extent.offset_bytes
        except OSError as error:
            raise unreadable(str(extent.path), error) from error


def unreadable(what: str, error: OSError) -> TreeError:
    """The error for a file of the host that cannot be read."""
    return TreeError(f"{what}: cannot be read: {error.strerror}")


def changed(what: str, size_bytes: int) -> TreeError:
    """The error for contents that are not as long as they were said to be."""
    return TreeError(f"{what}: does not hold the {size_bytes} bytes that it did when the tree was made")
