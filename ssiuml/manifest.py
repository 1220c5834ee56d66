"""images/RECIPE/manifest.json: the contract between what builds images and what runs them.

``ssi-start`` and its like read this file and nothing of the recipe.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.atomic import write_text

if TYPE_CHECKING:  # who runs images needs nothing of recipes
    from ssiuml.recipe.load import LoadedRecipe

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
    def kernel(self) -> Path | None:
        """None where the recipe has no kernel: the user names one."""
        return self._optional("kernel")

    def require_kernel(self) -> Path:
        """The kernel; ManifestError where the recipe has none."""
        if self.kernel is None:
            raise ManifestError(
                f"{self.folder / NAME}: this image has no kernel, its recipe says kernel.source: none",
                hint="name one in ~/.ssiuml/ssiuml.conf: KERNEL=/path/of/linux-ssi",
            )
        return self.kernel

    @property
    def root_cidev(self) -> Path | None:
        """The lock table's image of a GFS1 root."""
        return self._optional("root_cidev")

    @property
    def initrd_memexp(self) -> Path | None:
        """The RAM disk of a GFS1 root's lock server."""
        return self._optional("initrd_memexp")

    def _optional(self, key: str) -> Path | None:
        name = self.values.get(key, {}).get("file")
        return None if name is None else self.folder / str(name)

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
    loaded: "LoadedRecipe",
    *,
    images: Mapping[str, Mapping[str, Any]],
    kernel: Mapping[str, Any],
    base: Mapping[str, Any],
    packages: Mapping[str, str],
    unverified: Sequence[str],
    epoch: int,
) -> dict[str, Any]:
    """Put the manifest together; *images*, by key, and *kernel* are given with ``file`` and their facts.

    *base* is what is known of the base besides its packages. A kernel that the recipe does not have has no
    ``file``.
    """
    recipe = loaded.recipe
    return {
        "schema": SCHEMA,
        "recipe": loaded.name,
        "description": recipe.description,
        **{key: dict(facts) for key, facts in images.items()},
        "kernel": dict(kernel),
        "base": dict(base),
        "filesystem": {
            **recipe.filesystem.model_dump(mode="json"),
            "lock_table": recipe.filesystem.lock_table,
            "journal_size_bytes": recipe.filesystem.journal_size_bytes,
        },
        "cluster": {**recipe.cluster.model_dump(mode="json", exclude_none=True), "name": recipe.cluster_name},
        "source_date_epoch": epoch,
        "packages": dict(packages),
        "unverified": list(unverified),
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
