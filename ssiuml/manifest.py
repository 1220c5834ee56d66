"""images/RECIPE/manifest.json: the contract between what builds images and what runs them.

``ssi-start`` and its like read this file and nothing of the recipe.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssiuml.atomic import write_text
from ssiuml.errors import SsiumlError
from ssiuml.recipe import LoadedRecipe

NAME: Final = "manifest.json"
# Counts up when a reader of the version before would misunderstand.
SCHEMA: Final = 1


class ManifestError(SsiumlError):
    """A folder has no manifest, or one that we cannot read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image folder holds; paths are resolved against that folder."""

    folder: Path
    values: Mapping[str, Any]

    @property
    def root_fs(self) -> Path:
        return self.folder / str(self.values["root_fs"]["file"])

    @property
    def kernel(self) -> Path:
        return self.folder / str(self.values["kernel"]["file"])

    @property
    def kernel_parameters(self) -> tuple[str, ...]:
        return tuple(map(str, self.values["kernel"].get("parameters", ())))

    @property
    def initrd(self) -> Path:
        return self.folder / str(self.values["initrd"]["file"])

    @property
    def node_limit(self) -> int:
        return int(self.values["cluster"]["node_limit"])


def describe(
    loaded: LoadedRecipe,
    *,
    root_fs: Mapping[str, Any],
    kernel: Mapping[str, Any],
    initrd: Mapping[str, Any],
    packages: Mapping[str, str],
    epoch: int,
) -> dict[str, Any]:
    """Put the manifest together; each of the three images is given with ``file`` and its facts."""
    recipe = loaded.recipe
    return {
        "schema": SCHEMA,
        "recipe": loaded.name,
        "description": recipe.description,
        "root_fs": dict(root_fs),
        "kernel": dict(kernel),
        "initrd": dict(initrd),
        "filesystem": recipe.filesystem.model_dump(),
        "cluster": {
            **recipe.cluster.model_dump(),
            "name": recipe.cluster_name,
            "network": str(recipe.cluster.network),
        },
        "source_date_epoch": epoch,
        "packages": dict(packages),
    }


def write(folder: Path, values: Mapping[str, Any]) -> Path:
    """Write the manifest of an image folder; return its path."""
    path = folder / NAME
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")
    return path


def read(folder: Path) -> Manifest:
    """Read the manifest of an image folder; ManifestError if it is missing, damaged or of another schema."""
    path = folder / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values["schema"]
    except FileNotFoundError:
        raise ManifestError(f"{folder}: no image has been built here", hint="./run build-root") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: is damaged: {error}", hint="./run build-root") from error
    if schema != SCHEMA:
        text = f"{path}: has schema {schema}, this program reads {SCHEMA}"
        raise ManifestError(text, hint="./run build-root")
    return Manifest(folder, values)
