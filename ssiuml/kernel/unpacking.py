"""The source of Linux out of Debian's package linux-source, patched."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import scratch_folder
from ssiuml.host.progress import stages
from ssiuml.host.run import run
from ssiuml.kernel.patches import apply_patch

_TIMEOUT_S: Final = 1200.0
_PACKED: Final = "./usr/src"  # the folder of the package with the archive


def unpack_source(package: Path, patches: Sequence[Path], folder: Path) -> None:
    """Unpack the source in *package* to the new *folder* and apply *patches* in their order, without fuzz.

    Raise SsiumlError if the package does not hold one archive with a kernel, or if a patch does not fit;
    CommandError if the package is damaged.
    """
    with stages("kernel source") as show, scratch_folder(folder.parent, "unpack") as scratch:
        show("unpacking")
        data = scratch / "data.tar"
        run(["dpkg-deb", "--fsys-tarfile", package], timeout_s=_TIMEOUT_S, stdout=data)
        run(["tar", "-C", scratch, "-xf", data, _PACKED], timeout_s=_TIMEOUT_S)
        data.unlink()
        archives = sorted((scratch / _PACKED).glob("linux-source-*.tar.*"))
        if len(archives) != 1:
            raise SsiumlError(f"{package}: should hold one linux-source-*.tar.*, it holds {len(archives)}")
        run(["tar", "-C", scratch, "-xf", archives[0]], timeout_s=_TIMEOUT_S)
        inner = scratch / archives[0].name.partition(".tar")[0]
        if not (inner / "Kbuild").is_file():
            raise SsiumlError(f"{package}: {archives[0].name} has no folder {inner.name} with a kernel")
        for patch in patches:
            show(f"applying {patch.name}")
            apply_patch(patch, inner, fuzz=0)
        inner.rename(folder)
