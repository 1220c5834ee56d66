"""The cluster tools' layer: what ``make install_ssi_DISTRIBUTION UML_ROOT=DIR`` installs (HOWTO 5.3, 5.4)."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.folder import read_folder
from ssiuml.layer import Layer
from ssiuml.materialise import changes_of
from ssiuml.run import run
from ssiuml.tree import Tree

TIMEOUT_S: Final = 300.0
FOREIGN_TIMEOUT_S: Final = 1800.0


class ClusterToolsError(SsiumlError):
    """A folder holds no cluster tools for the distribution."""


def install(source: Path, distribution: str, root: Path, below: Tree, mtime_ns: int) -> Layer:
    """Install the tools in *source* into the folder *root* and return what came of it as a layer.

    *root* is emptied first; it has to stay until the layer is written, which takes the contents from there.
    *below* is the tree that the layer will lie on. CommandError if make fails.
    """
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    run(
        ["make", "--no-print-directory", "-C", source, f"install_ssi_{distribution}", f"UML_ROOT={root}"],
        timeout_s=TIMEOUT_S,
    )
    return read_folder(root, mtime_ns, below)


@contextmanager
def installed_over(
    source: Path, distribution: str, work: Path, below: Tree, mtime_ns: int
) -> Iterator[Layer]:
    """Run the tools' own installation on a copy of the tree *below* and yield what it changed as a layer.

    This is for tools that edit what is there, as those of 2002 do. *source* is a release, unpacked, or a
    checkout; it stays as it is. Contents are there as long as the context. Raises ClusterToolsError if there
    is no such rule, CommandError if make fails.
    """
    makefile = _makefile(source)
    rule = f"install_ssi_{distribution}"
    rules = re.findall(r"^(install_ssi_\w+)\s*:", makefile.read_text(errors="replace"), re.MULTILINE)
    if rule not in rules:
        raise ClusterToolsError(
            f"{makefile}: has no rule {rule}", hint=f"there are: {', '.join(rules) or 'none that begin so'}"
        )
    copy = work.with_name(f"{work.name}.source")
    shutil.rmtree(copy, ignore_errors=True)
    try:
        shutil.copytree(makefile.parent, copy, symlinks=True)
        root = work / "root"
        words: list[str | Path] = ["make", "--no-print-directory", "-C", copy, rule, f"UML_ROOT={root}"]
        with changes_of(
            below, words, folder=root, work=work, mtime_ns=mtime_ns, timeout_s=FOREIGN_TIMEOUT_S
        ) as layer:
            yield layer
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _makefile(source: Path) -> Path:
    """The Makefile of *source*, or of the one folder in it, as an archive unpacks."""
    inner = [path for path in sorted(source.iterdir()) if path.is_dir()] if source.is_dir() else []
    for folder in (source, *(inner if len(inner) == 1 else [])):
        for name in ("GNUmakefile", "makefile", "Makefile"):
            if (folder / name).is_file():
                return folder / name
    raise ClusterToolsError(f"{source}: there is no Makefile in it", hint="are these the cluster tools?")
