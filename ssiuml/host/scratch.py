"""Folders for what is needed only meanwhile."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a new folder of this user's own in *parent*, which is made if need be; it goes with the block.

    *name* begins its name, so that one sees what a killed process has left there.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=parent) as folder:
        yield Path(folder)
