"""The cluster tools' layer: what ``make install_ssi_DISTRIBUTION UML_ROOT=DIR`` installs (HOWTO 5.3, 5.4).

Rules that only add files, as those of this project do, run in an empty folder, in a fraction of a second.
The historic ones edit what is there, so they get a copy of the whole tree, which takes some seconds.
"""

import os
import shutil
from pathlib import Path
from typing import Final

from ssiuml.historic.edited_tree import materialised
from ssiuml.host.run import run
from ssiuml.layers.makefile import require_rule
from ssiuml.tree.folder import read_folder
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree

TIMEOUT_S: Final = 300.0


def install(source: Path, distribution: str, root: Path, below: Tree, mtime_ns: int) -> Layer:
    """Install the tools in *source* into the folder *root* and return what came of it as a layer.

    *root* is emptied first; it has to stay until the layer is written, which takes the contents from there.
    *below* is the tree that the layer will lie on. CommandError if make fails.
    """
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    run(_make(source, distribution, root), timeout_s=TIMEOUT_S)
    return read_folder(root, mtime_ns, below)


def install_on_copy(
    source: Path, distribution: str, work: Path, tree: Tree, mtime_ns: int, timeout_s: float = TIMEOUT_S
) -> Layer:
    """Install the tools in *source* into a copy of *tree* and return what that changed as a layer.

    *work* is emptied first, and has to stay until the layer is written. make works in a copy of *source*, of
    which every file has the time *mtime_ns*, and sees itself as root. Raises MakefileError if the rule is
    not there, CommandError with make's last lines if it fails or takes longer than *timeout_s*, and what
    ssiuml.historic.edited_tree raises.
    """
    require_rule(source, f"install_ssi_{distribution}")
    with materialised(tree, work) as copy:
        sources = work / "source"
        shutil.copytree(source, sources, symlinks=True)
        _set_times(sources, mtime_ns)
        copy.run(_make(sources, distribution, copy.root), timeout_s=timeout_s)
        return copy.changes(mtime_ns)


def _make(source: Path, distribution: str, root: Path) -> list[str | Path]:
    rule = f"install_ssi_{distribution}"
    return ["make", "--no-print-directory", "-C", source, rule, f"UML_ROOT={root}"]


def _set_times(folder: Path, mtime_ns: int) -> None:
    # Those of a checkout are of the moment it was made; installed with 'cp -p' they would go into the image.
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.utime(Path(parent, name), ns=(mtime_ns, mtime_ns), follow_symlinks=False)
