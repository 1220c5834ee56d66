"""What a recipe takes from a folder of the user's or from one of its sources."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.host.scratch import scratch_folder
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps.base import source
from ssiuml.recipe.inputs import FromFolder, FromSource
from ssiuml.tree.archives import unpack
from ssiuml.units import GIB

MAX_SOURCE_BYTES: Final = GIB  # of an archive, unpacked


def folder_of(graph: StepGraph, origin: FromFolder) -> Path:
    return graph.plan.loaded.host_path(origin.folder)


@contextmanager
def opened(graph: StepGraph, origin: FromSource | FromFolder, work: Path) -> Iterator[Path]:
    """The folder of *origin*; that of a source, the one in its archive, is unpacked, and gone afterwards."""
    if isinstance(origin, FromFolder):
        yield folder_of(graph, origin)
        return
    with scratch_folder(work, origin.source) as scratch:
        folder_ = scratch / "archive"
        unpack(source(graph, origin.source), folder_, MAX_SOURCE_BYTES)
        inner = list(folder_.iterdir())
        yield inner[0] if len(inner) == 1 and inner[0].is_dir() else folder_
