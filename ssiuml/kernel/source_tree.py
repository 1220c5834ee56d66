"""The source tree of a kernel: unpacked and patched once, then kept for the next build.

The folder outlives the build: an interrupted build continues, and make rebuilds only what a changed option
concerns. A digest, written last, identifies the source in it. Another source or patch replaces it.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.host.cache import locked
from ssiuml.host.files import require_space, write_text

_KEPT: Final = ("source", "build", "steps.json", "prepared", "built")


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The folder of one source tree. One build at a time works in it."""

    folder: Path

    @property
    def source(self) -> Path:
        """The patched source."""
        return self.folder / "source"

    @property
    def build(self) -> Path:
        """The output of make, if that is not in the source."""
        return self.folder / "build"

    @property
    def steps(self) -> Path:
        """The file with the number of steps of the last whole build; see ssiuml.kernel.compiling."""
        return self.folder / "steps.json"

    @property
    def _prepared(self) -> Path:
        return self.folder / "prepared"

    @property
    def _built(self) -> Path:
        return self.folder / "built"

    @contextmanager
    def prepared(self, digest: str, unpack: Callable[[Path], None], space_bytes: int) -> Iterator[bool]:
        """Prepare the source that *digest* identifies, with ``unpack(folder)`` if it is not there.

        Yield whether it was unpacked. The folder is locked for the block. Raise SsiumlError if it has to be
        unpacked and the disk has less than *space_bytes* free.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            fresh = not _holds(self._prepared, digest)
            if fresh:
                for mark in (self._prepared, self._built):
                    mark.unlink(missing_ok=True)
            # Remove also what a killed build left.
            for path in self.folder.iterdir():
                if path.name not in _KEPT or (fresh and path in (self.source, self.build)):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            if fresh:
                require_space(self.folder, space_bytes, "a kernel's source and what is built of it")
                unpack(self.source)
                write_text(self._prepared, f"{digest}\n")
            yield fresh

    def is_built(self, digest: str) -> bool:
        """Return whether the last complete build was of *digest*."""
        return _holds(self._built, digest)

    @contextmanager
    def building(self, digest: str) -> Iterator[None]:
        """Mark the source as built from *digest* at the end of the block, unless that raises."""
        self._built.unlink(missing_ok=True)
        yield
        write_text(self._built, f"{digest}\n")

    def remove(self) -> None:
        """Remove the folder. Wait for a build that works in it."""
        if self.folder.is_dir():
            with locked(self.folder):
                shutil.rmtree(self.folder)


def _holds(mark: Path, digest: str) -> bool:
    return mark.is_file() and mark.read_text(encoding="utf-8").strip() == digest
