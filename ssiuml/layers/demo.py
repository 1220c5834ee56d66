"""The demonstration program of the HOWTO, dbdemo with its file of records (3.1, 5.6)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.scratch import scratch_folder
from ssiuml.tree.archives import unpack
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree, parts_of
from ssiuml.units import GIB

MAX_BYTES: Final = GIB


class DemoError(SsiumlError):
    """The archive is not as expected."""


@contextmanager
def demo_layer(archive: Path, target: str, work: Path, below: Tree, mtime_ns: int) -> Iterator[Layer]:
    """Yield the layer with what is in the one folder of *archive*, at the path *target* of the image.

    *below* is the tree that it will lie on; the folder's owner is root, no time is later than *mtime_ns*.
    Contents are there as long as the context. DemoError if the archive has not one folder.
    """
    with scratch_folder(work, "demo") as scratch:
        folder = scratch / "archive"
        unpack(archive, folder, MAX_BYTES)
        inner = sorted(folder.iterdir())
        if len(inner) != 1 or not inner[0].is_dir():
            names = ", ".join(path.name for path in inner) or "nothing"
            raise DemoError(f"{archive}: should have one folder in it, it has {names}")
        root = scratch / "root"
        place = root.joinpath(*parts_of(target))
        place.parent.mkdir(parents=True)
        inner[0].rename(place)
        for parent in (place, *place.parents):  # whatever the user's umask is
            if parent.is_relative_to(root):
                parent.chmod(0o755)
        yield read_folder_layer(root, mtime_ns, below)
