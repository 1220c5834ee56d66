"""A kernel's source as it is built: unpacked and patched once, then kept for the next build.

The folder outlives the build, so that an interrupted one goes on where it was and make rebuilds what a
changed option concerns. A digest, written last, says what is in it; another source or patch takes its place.
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
    """The folder of one source tree; one build at a time works in it."""

    folder: Path

    @property
    def source(self) -> Path:
        """The source, patched."""
        return self.folder / "source"

    @property
    def build(self) -> Path:
        """What make has built, where that is not in the source."""
        return self.folder / "build"

    @property
    def steps(self) -> Path:
        """How many steps the last whole build had; see ssiuml.kernel.compiling."""
        return self.folder / "steps.json"

    @property
    def _prepared(self) -> Path:
        return self.folder / "prepared"

    @property
    def _built(self) -> Path:
        return self.folder / "built"

    @contextmanager
    def prepared(self, digest: str, unpack: Callable[[Path], None], space_bytes: int) -> Iterator[bool]:
        """Have the source that *digest* stands for, made by ``unpack(folder)`` if it is not there.

        Yields whether it was made anew, for which *space_bytes* are needed on the disk. The folder is this
        build's as long as the block lasts.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            fresh = not _says(self._prepared, digest)
            if fresh:
                for mark in (self._prepared, self._built):
                    mark.unlink(missing_ok=True)
            # What a killed build has left, too.
            for path in self.folder.iterdir():
                if path.name not in _KEPT or (fresh and path in (self.source, self.build)):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            if fresh:
                require_space(self.folder, space_bytes, "a kernel's source and what is built of it")
                unpack(self.source)
                write_text(self._prepared, f"{digest}\n")
            yield fresh

    def is_built(self, digest: str) -> bool:
        """Whether it was last built, to the end, from what *digest* stands for."""
        return _says(self._built, digest)

    @contextmanager
    def building(self, digest: str) -> Iterator[None]:
        """Mark it as built from what *digest* stands for, once the block has ended well."""
        self._built.unlink(missing_ok=True)
        yield
        write_text(self._built, f"{digest}\n")

    def remove(self) -> None:
        """Remove the folder, once no build works in it."""
        if self.folder.is_dir():
            with locked(self.folder):
                shutil.rmtree(self.folder)


def _says(mark: Path, digest: str) -> bool:
    return mark.is_file() and mark.read_text(encoding="utf-8").strip() == digest
