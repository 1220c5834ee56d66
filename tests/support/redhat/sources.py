"""Stand-ins for all downloads of the recipes of 2002: made in one folder, served by a web server."""

from pathlib import Path
from typing import Final

from http_server import Web

from redhat import cluster_tools, demo, linux24, modules, older_root, opengfs, root_image
from redhat.root_tree import CALDERA

# A small recipe that extends rh72-old-root. Append sources_section.
SMALL_RECIPE: Final = """\
description: for a test
extends: rh72-old-root
sizes: {root_fs: 512 MiB}
filesystem: {journals: 3}
cluster: {node_limit: 3}
"""
# File names by the names of the sources in recipes/rh72.yaml.
NAMES: Final = {
    "base": root_image.RED_HAT_NAME,
    "cluster-tools": cluster_tools.NAME,
    "old-root": older_root.NAME,
    "dbdemo": demo.NAME,
    "linux": linux24.BASE_NAME,
    "ssi-linux": linux24.SSI_NAME,
    "opengfs": opengfs.NAME,
}


def make_sources(target: Path) -> Path:
    """Make the folder *target* with all stand-ins in their small form. Return *target*."""
    target.mkdir(parents=True)
    root_image.make_root_fs(target / root_image.RED_HAT_NAME)
    root_image.make_root_fs(target / root_image.CALDERA_NAME, CALDERA)
    cluster_tools.make_cluster_tools(target / cluster_tools.NAME)
    demo.make_dbdemo(target / demo.NAME)
    modules.make_modules(target / modules.NAME)
    opengfs.make_opengfs(target / opengfs.NAME)
    linux24.make_base(target / linux24.BASE_NAME)
    linux24.make_base(target / linux24.CVS_BASE_NAME, 18, "2.4.18-22um")
    linux24.make_release(target / linux24.SSI_NAME)
    older_root.make_older_root(target / older_root.NAME)
    return target


def serve_sources(web: Web, folder: Path) -> None:
    """Serve every file of *folder* under its own name."""
    for path in folder.iterdir():
        web.serve(f"/{path.name}", path.read_bytes())


def sources_section(top: str) -> str:
    """Return a recipe's section ``sources``, with every source below the URL *top*, which ends in a slash."""
    lines = [f"  {name}: {{urls: ['{top}{file}']}}" for name, file in NAMES.items()]
    return "\n".join(["sources:", *lines, ""])
