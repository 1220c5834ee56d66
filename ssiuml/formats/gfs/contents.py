"""Contents of files on the host, and their holes.

A host file that cannot be read is a TreeError. An OSError is always about the image that is being written.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from ssiuml.formats.gfs.pointer_tree import Run
from ssiuml.host.files import SECTOR_BYTES, data_ranges
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Content, Extent, TreeError

_OPEN_FILES: Final = 16


@dataclass(frozen=True, slots=True)
class SparseBytes:
    """Contents with holes: (offset, bytes) *pieces*, ascending and apart; zeros everywhere else."""

    size_bytes: int
    pieces: Sequence[tuple[int, bytes]]

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, including the zeros of holes."""
        done = 0
        for offset, data in (*self.pieces, (self.size_bytes, b"")):
            while done < offset:
                step = min(offset - done, 1 << 20)
                yield bytes(step)
                done += step
            yield data
            done += len(data)


class HostFiles:
    """Host files that hold contents: keeps the last few open and finds their holes."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, int] = OrderedDict()
        self._last: tuple[Path | str, int] | None = None
        self._dense: dict[str, bool] = {}

    def __enter__(self) -> "HostFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._last = None
        while self._open:
            os.close(self._open.popitem()[1])

    def descriptor(self, path: Path | str) -> int:
        """Return a descriptor of the file *path*. Raise TreeError if it cannot be read."""
        # All members of an archive share one Path; comparing it is much faster than a lookup.
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
                raise unreadable_error(name, error) from error
        else:
            self._open.move_to_end(name)
        self._last = (path, number)
        return number

    def data_runs(self, content: Content, unit_bytes: int) -> Sequence[Run] | None:
        """Return the runs of units of *unit_bytes* that hold data, or None if all units do.

        Raise TreeError if the file is too short or cannot be read.
        """
        units = -(-content.size_bytes // unit_bytes)
        if isinstance(content, SparseBytes):
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
                raise unreadable_error(name, error) from error
            dense = state.st_blocks * SECTOR_BYTES >= state.st_size
            if len(self._dense) > _OPEN_FILES:
                self._dense.clear()
            self._dense[name] = dense
        return dense

    def _spans(self, extent: Extent) -> Iterator[tuple[int, int]]:
        number = self.descriptor(extent.path)
        end = extent.offset_bytes + extent.size_bytes
        if os.fstat(number).st_size < end:  # a missing end must not be taken for a hole
            raise changed_error(str(extent.path), extent.size_bytes)
        try:
            for start, stop in data_ranges(number, extent.offset_bytes, end):
                yield start - extent.offset_bytes, stop - extent.offset_bytes
        except OSError as error:
            raise unreadable_error(str(extent.path), error) from error


def unreadable_error(what: str, error: OSError) -> TreeError:
    """Return the error for a host file that cannot be read."""
    return TreeError(f"{what}: cannot be read: {error.strerror}")


def changed_error(what: str, size_bytes: int) -> TreeError:
    """Return the error for contents that no longer have *size_bytes* bytes."""
    return TreeError(f"{what}: does not hold the {size_bytes} bytes that it held when the tree was made")
