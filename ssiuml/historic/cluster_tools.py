"""Cluster tools of 2002: ``make install_ssi_redhat UML_ROOT=DIR`` edits files of the root (HOWTO 5.3, 5.4).

So make gets a copy of the whole tree, which takes some seconds, and what it changed becomes the layer.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.historic.edited_tree import materialised
from ssiuml.host.run import PLAIN_LANGUAGE, run
from ssiuml.layers.cluster_tools import TIMEOUT_S, make_command
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree

# What make says of a Makefile that it cannot use: no such rule, no such file, a syntax error.
_STOP: Final = re.compile(r"^(?:make|\S+:\d+): \*\*\* (.*?)\s+Stop\.$", re.MULTILINE)


class ClusterToolsError(SsiumlError):
    """A folder of cluster tools has no Makefile, or its Makefile has no rule for the distribution."""


def install_on_copy(
    source: Path, distribution: str, work: Path, tree: Tree, mtime_ns: int, timeout_s: float = TIMEOUT_S
) -> Layer:
    """Install the tools in *source* into a copy of *tree* and return what that changed as a layer.

    *work* is emptied first, and must stay until the layer is written. make works in a copy of *source*, in
    which every file has the time *mtime_ns*, and sees itself as root. Raises ClusterToolsError if make has no
    such rule, CommandError with make's last lines if it fails or takes longer than *timeout_s*, and what
    ssiuml.historic.edited_tree raises.
    """
    require_rule(source, distribution)
    with materialised(tree, work) as copy:
        sources = work / "source"
        shutil.copytree(source, sources, symlinks=True)
        _set_times(sources, mtime_ns)
        copy.run(make_command(sources, distribution, copy.root), timeout_s=timeout_s)
        return copy.changes(mtime_ns)


def require_rule(source: Path, distribution: str) -> None:
    """Raise ClusterToolsError if make finds no rule in *source* to install the tools of *distribution*.

    This is known before the tree is copied: ``make --dry-run`` runs nothing.
    """
    command = [*make_command(source, distribution, Path("/nonexistent")), "--dry-run"]
    said = run(command, timeout_s=TIMEOUT_S, env=PLAIN_LANGUAGE, ok_exit=(0, 1, 2))
    stop = _STOP.search(said)
    if stop is not None:
        raise ClusterToolsError(
            f"{source}: make install_ssi_{distribution}: {stop[1]}",
            hint="cluster_tools names a folder whose Makefile has that rule",
        )


def _set_times(folder: Path, mtime_ns: int) -> None:
    # A checkout's times are those of its making; 'cp -p' in the Makefile would bring them into the image.
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.utime(Path(parent, name), ns=(mtime_ns, mtime_ns), follow_symlinks=False)
