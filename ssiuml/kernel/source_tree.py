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

from ssiuml.atomic import write_text
from ssiuml.cache import locked
from ssiuml.sparse import require_space
from ssiuml.units import GIB

SPACE_NEEDED_BYTES: Final = 3 * GIB  # Linux 6.1 unpacked has 1.4 GiB, its objects half of that


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

    @contextmanager
    def prepared(self, digest: str, unpack: Callable[[Path], None]) -> Iterator[bool]:
        """Have the source that *digest* stands for, made by ``unpack(folder)`` if it is not there.

        Yields whether it was made anew. The folder is this build's as long as the block lasts.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            fresh = not self.holds(digest)
            if fresh:
                self._prepared.unlink(missing_ok=True)
                for path in (self.source, self.build):
                    shutil.rmtree(path, ignore_errors=True)
                require_space(self.folder, SPACE_NEEDED_BYTES, "a kernel's source and what is built of it")
                unpack(self.source)
                write_text(self._prepared, f"{digest}\n")
            yield fresh

    def holds(self, digest: str) -> bool:
        """Whether the source is the one that *digest* stands for."""
        return self._prepared.is_file() and self._prepared.read_text(encoding="utf-8").strip() == digest

    def remove(self) -> None:
        """Remove the folder, once no build works in it."""
        if self.folder.is_dir():
            with locked(self.folder):
                shutil.rmtree(self.folder)
