"""The cluster's configuration: corosync, DLM, names and addresses of the nodes (HOWTO 5.2's gfscf.cf)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssiuml.atomic import write_text
from ssiuml.recipe import Recipe
from ssiuml.templates import render

# Template by the path of the file in the image.
FILES: Final[Mapping[str, str]] = {
    "etc/corosync/corosync.conf": "corosync.conf.j2",
    "etc/dlm/dlm.conf": "dlm.conf.j2",
    "etc/hosts": "hosts.j2",
    "etc/ssi/ssi.conf": "ssi.conf.j2",
}


def variables(recipe: Recipe) -> dict[str, Any]:
    """What the templates may use; plain values, so that a step can remember them."""
    cluster, timings = recipe.cluster, recipe.cluster.timings
    return {
        "cluster_name": recipe.cluster_name,
        "node_limit": cluster.node_limit,
        "nodes": [
            {"number": number, "name": f"node{number}", "address": str(cluster.address_of(number))}
            for number in range(1, cluster.node_limit + 1)
        ],
        "prefix_length": cluster.network.prefixlen,
        "token_ms": timings.token_ms,
        "join_ms": timings.join_ms,
        "consensus_ms": timings.consensus_ms,
        "lock_table": recipe.filesystem.lock_table,
        "filesystem": recipe.filesystem.type,
    }


def render_files(templates: Path, recipe: Recipe) -> dict[str, str]:
    """Text by path in the image."""
    values = variables(recipe)
    return {path: render(templates, name, values) for path, name in FILES.items()}


def write_files(templates: Path, recipe: Recipe, folder: Path) -> None:
    """Write each file below *folder*, at its path in the image."""
    for path, text in render_files(templates, recipe).items():
        write_text(folder / path, text)


def read_files(folder: Path) -> dict[str, str]:
    """What write_files has written: text by path in the image."""
    return {path: (folder / path).read_text(encoding="utf-8") for path in FILES}
