"""The stand-ins on a web server, and a recipe's `sources` that name it."""

from pathlib import Path
from typing import Final

from http_server import Web

from redhat import cluster_tools, demo, linux24, older_root, opengfs, root_image

# A recipe that extends rh72, small; its sources are to be added.
SMALL: Final = """\
description: for a test
extends: rh72-old-root
sizes: {root_fs: 512 MiB}
filesystem: {journals: 3}
cluster: {node_limit: 3}
"""
# What recipes/rh72.yaml calls them.
NAMES: Final = {
    "base": root_image.RED_HAT_NAME,
    "cluster-tools": cluster_tools.NAME,
    "old-root": older_root.NAME,
    "dbdemo": demo.NAME,
    "linux": linux24.BASE_NAME,
    "ssi-linux": linux24.SSI_NAME,
    "opengfs": opengfs.NAME,
}


def serve_sources(web: Web, folder: Path) -> None:
    """Serve every file of *folder* under its own name."""
    for path in folder.iterdir():
        web.serve(f"/{path.name}", path.read_bytes())


def sources(top: str) -> str:
    """Lines of a recipe: every source below the URL *top*, which ends in a slash."""
    lines = [f"  {name}: {{urls: ['{top}{file}']}}" for name, file in NAMES.items()]
    return "\n".join(["sources:", *lines, ""])
