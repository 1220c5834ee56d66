"""Functions that give steps the recipe's sources, the user's folders and results of other steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ssiuml.host.digests import folder_digest
from ssiuml.host.files import scratch_folder
from ssiuml.recipe.inputs import FromFolder, FromSource
from ssiuml.recipe.kernel import ModulesOfImage, NoKernel
from ssiuml.units import GIB

if TYPE_CHECKING:
    from ssiuml.host.digests import Values
    from ssiuml.pipeline.graph import Graph

MAX_SOURCE_BYTES: Final = GIB  # the limit of an unpacked archive


def source_file(graph: "Graph", name: str) -> Path:
    """Return the downloaded file of the source *name*. The step fetch must have been made."""
    return Path(graph.results("fetch")["sources"][name]["path"])


def source_sha256(graph: "Graph", name: str) -> str:
    """Return the hexadecimal SHA-256 of the source *name*. The step fetch must have been made."""
    return str(graph.results("fetch")["sources"][name]["sha256"])


def folder_of(graph: "Graph", chosen: FromFolder) -> Path:
    """Return the user's folder on this machine."""
    return graph.plan.loaded.host_path(chosen.folder)


def origin_inputs(graph: "Graph", chosen: "FromFolder | FromSource | ModulesOfImage") -> "Values":
    """Return the inputs of a step that uses *chosen*: the digest of a folder, or the name of a source.

    The step must come after fetch, whose results have the digest of the source.
    """
    files = {"folder": folder_digest(folder_of(graph, chosen))} if isinstance(chosen, FromFolder) else {}
    return {**files, "from": chosen.model_dump(mode="json")}


@contextmanager
def opened(graph: "Graph", chosen: FromSource | FromFolder, work: Path) -> Iterator[Path]:
    """Yield the user's folder, or a source's archive, unpacked until the end of the block.

    If the archive holds a single folder, yield that.
    """
    if isinstance(chosen, FromFolder):
        yield folder_of(graph, chosen)
        return
    from ssiuml.tree.archives import unpack

    with scratch_folder(work, chosen.source) as scratch:
        folder = scratch / "archive"
        unpack(source_file(graph, chosen.source), folder, MAX_SOURCE_BYTES)
        inner = list(folder.iterdir())
        yield inner[0] if len(inner) == 1 and inner[0].is_dir() else folder


def kernel_version(graph: "Graph") -> str:
    """Return the version of the nodes' kernel. If there is a step kernel, it must have been made."""
    chosen = graph.recipe.kernel
    return chosen.version if isinstance(chosen, NoKernel) else str(graph.results("kernel")["version"])


def images(graph: "Graph") -> dict[str, tuple[str, Path]]:
    """Return the step and the path of each image except the kernel, by its key in the manifest."""
    plan = graph.plan
    steps = {
        "root_fs": ("copy-root", plan.root_fs),
        "root_cidev": ("gfsconf", plan.root_cidev),
        "initrd": ("initrd", plan.initrd),
        "initrd_memexp": ("initrd-memexp", plan.initrd_memexp),
    }
    return {key: (name, path) for key, (name, path) in steps.items() if name in graph}
