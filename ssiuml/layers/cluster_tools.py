"""The layer of the cluster tools: ``make install_ssi_DISTRIBUTION UML_ROOT=DIR`` (HOWTO 5.3, 5.4).

The rules of this project only add files, so they run in an empty folder, in a fraction of a second. Rules of
2002 edit existing files; see ssiuml.historic.cluster_tools.
"""

import shutil
from pathlib import Path
from typing import Final

from ssiuml.host.neutral_names import neutral_name
from ssiuml.host.run import run
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree

TIMEOUT_S: Final = 300.0


def install(source: Path, distribution: str, root: Path, below: Tree, mtime_ns: int) -> Layer:
    """Install the tools in *source* into the folder *root*. Return the installed files as a layer.

    *root* is emptied first. It must exist until the layer is written: the layer reads the contents from
    there. *below* is the tree below the layer. Raise CommandError if make fails.
    """
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with neutral_name(root) as name:
        run(make_command(source, distribution, name), timeout_s=TIMEOUT_S)
    return read_folder_layer(root, mtime_ns, below)


def make_command(source: Path, distribution: str, root: Path) -> list[str | Path]:
    """Return the command that installs the tools in *source* into the folder *root*.

    make expands variables in the name of *root*, and rules may give it to a shell: it has to be neutral.
    """
    rule = f"install_ssi_{distribution}"
    return ["make", "--no-print-directory", "-C", source, rule, f"UML_ROOT={root}"]
