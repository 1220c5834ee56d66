"""The stand-ins on a web server, and a recipe's `sources` that name it."""

from pathlib import Path
from typing import Final

from http_server import Web

from redhat import cluster_tools, demo, older_root, root_image

# What recipes/rh72.yaml calls them.
NAMES: Final = {
    "base": root_image.RED_HAT_NAME,
    "cluster-tools": cluster_tools.NAME,
    "old-root": older_root.NAME,
    "dbdemo": demo.NAME,
}


def serve_sources(web: Web, folder: Path) -> None:
    """Serve every file of *folder* under its own name."""
    for path in folder.iterdir():
        web.serve(f"/{path.name}", path.read_bytes())


def sources(web: Web) -> str:
    """Lines of a recipe."""
    lines = [f"  {name}: {{urls: ['{web.url(f'/{file}')}']}}" for name, file in NAMES.items()]
    return "\n".join(["sources:", *lines, ""])
