"""The cluster's configuration files: corosync, DLM, names and addresses of nodes; gfscf.cf (HOWTO 5.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssiuml.host.files import write_text
from ssiuml.host.templates import render
from ssiuml.recipe.filesystem import Gfs1Filesystem
from ssiuml.recipe.model import Recipe

# The template of each file, by its path in the image.
_IN_THE_IMAGE: Final[Mapping[str, str]] = {
    "etc/corosync/corosync.conf": "corosync.conf.j2",
    "etc/dlm/dlm.conf": "dlm.conf.j2",
    "etc/hosts": "hosts.j2",
    "etc/ssi/ssi.conf": "ssi.conf.j2",
}
# Files for the commands of HOWTO 5.2. They lie beside the image, not in it.
ROOT_CONFIG: Final = "pool0.cf"
CIDEV_CONFIG: Final = "pool0cidev.cf"
LOCK_SERVER_TABLE: Final = "gfscf.cf"
_BESIDE_IT: Final[Mapping[str, str]] = {
    CIDEV_CONFIG: "pool.cf.j2",
    ROOT_CONFIG: "pool.cf.j2",
    LOCK_SERVER_TABLE: "gfscf.cf.j2",
}


def templates_of(recipe: Recipe) -> Mapping[str, str]:
    """Return the template of each file, by its path below the folder of the configuration."""
    return _BESIDE_IT if isinstance(recipe.filesystem, Gfs1Filesystem) else _IN_THE_IMAGE


def files(recipe: Recipe) -> tuple[str, ...]:
    """Return the paths of all files below the folder of the configuration."""
    return tuple(templates_of(recipe))


def variables(recipe: Recipe) -> dict[str, Any]:
    """Return the variables of the templates: plain values, which a step can store."""
    cluster = recipe.cluster
    values: dict[str, Any] = {
        "cluster_name": recipe.cluster_name,
        "node_limit": cluster.node_limit,
        "nodes": [
            {"number": number, "name": f"node{number}", "address": str(cluster.address_of(number))}
            for number in range(1, cluster.node_limit + 1)
        ],
        "prefix_length": cluster.network.prefixlen,
        "netmask": str(cluster.network.netmask),
        "lock_table": recipe.filesystem.lock_table,
        "filesystem": recipe.filesystem.type,
    }
    if cluster.timings is not None:
        values |= cluster.timings.model_dump(mode="json")
    if isinstance(recipe.filesystem, Gfs1Filesystem) and cluster.lock_server is not None:
        pools = recipe.filesystem.pools
        values |= {
            "lock_server": cluster.lock_server.model_dump(mode="json"),
            "data_device": pools.root.path,
            "cidev": pools.cidev.path,
            "pools": pools.model_dump(mode="json"),
        }
    return values


def render_files(templates: Path, recipe: Recipe) -> dict[str, str]:
    """Return the text of each file, by its path below the folder of the configuration."""
    values = variables(recipe)
    return {
        path: render(templates, name, {**values, **_pool_of(recipe, path)})
        for path, name in templates_of(recipe).items()
    }


def _pool_of(recipe: Recipe, path: str) -> dict[str, str]:
    """Return further variables of a pool's own file."""
    if not isinstance(recipe.filesystem, Gfs1Filesystem) or path == LOCK_SERVER_TABLE:
        return {}
    pools = recipe.filesystem.pools
    pool = pools.cidev if path == CIDEV_CONFIG else pools.root
    return {"pool": pool.name, "device": pool.device}


def write_files(templates: Path, recipe: Recipe, folder: Path) -> None:
    """Write all files below *folder*. Those for the image have the same path there."""
    for path, text in render_files(templates, recipe).items():
        write_text(folder / path, text)


def read_files(recipe: Recipe, folder: Path) -> dict[str, str]:
    """Return the text of each file that write_files wrote, by its path below *folder*."""
    return {path: (folder / path).read_text(encoding="utf-8") for path in files(recipe)}


def image_files(recipe: Recipe, folder: Path) -> dict[str, str]:
    """Return the text of each file that goes into the image, by its path there."""
    return {path: text for path, text in read_files(recipe, folder).items() if path in _IN_THE_IMAGE}
