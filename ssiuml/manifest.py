"""images/RECIPE/manifest.json: the contract between the build of images and the commands that run them.

``ssi-start`` and the other commands of a cluster read this file and nothing of the recipe.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import write_text
from ssiuml.host.uml import USERSPACES, Userspace, parameter_problem

if TYPE_CHECKING:  # who runs images needs nothing of recipes
    from ssiuml.recipe.load import LoadedRecipe

NAME: Final = "manifest.json"
# Goes up when readers of the previous version would misunderstand the file.
# 3: nodes have a vector device on a bridge, where the host has an address, and serve ssh there.
SCHEMA: Final = 3
_BUILD: Final = "run ./run build-root"
# A node gets files of the image's folder only. A release has its kernel in a folder beside that one.
_OPTIONAL_FILES: Final = ("root_cidev", "initrd_memexp")
_NAME_HERE: Final = re.compile(r"(?!\.\.?$)[^/\0]+")
_KERNEL: Final = re.compile(r"(\.\./(?!\.\.?/)[^/\0]+/)?(?!\.\.?$)[^/\0]+")
_FOREIGN: Final = "use another image, or ask who made this one"


class ManifestError(SsiumlError):
    """A folder has no manifest, or one that cannot be read or used."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of an image folder. Its paths are relative to that folder."""

    folder: Path
    values: Mapping[str, Any]

    @property
    def root_fs(self) -> Path:
        return self.folder / str(self.values["root_fs"]["file"])

    @property
    def kernel(self) -> Path | None:
        """The kernel; None if the recipe has no kernel, so that the user has to name one."""
        return self._optional("kernel")

    def require_kernel(self) -> Path:
        """Return the kernel. Raise ManifestError if the recipe has no kernel."""
        if self.kernel is None:
            raise ManifestError(
                f"{self.folder / NAME}: this image has no kernel, its recipe says kernel.source: none",
                hint="name one in ~/.ssiuml/ssiuml.conf: KERNEL=/path/of/linux-ssi",
            )
        return self.kernel

    @property
    def root_cidev(self) -> Path | None:
        """The image of the lock server table (cidev) of a GFS1 root; None for GFS2."""
        return self._optional("root_cidev")

    @property
    def initrd_memexp(self) -> Path | None:
        """The RAM disk of the lock server of a GFS1 root; None for GFS2."""
        return self._optional("initrd_memexp")

    def _optional(self, key: str) -> Path | None:
        name = self.values.get(key, {}).get("file")
        return None if name is None else self.folder / str(name)

    @property
    def kernel_parameters(self) -> tuple[str, ...]:
        return tuple(map(str, self.values["kernel"].get("parameters", ())))

    @property
    def userspace(self) -> Userspace:
        """How guest processes run, unless who starts nodes says otherwise."""
        return "seccomp" if self.values["kernel"].get("userspace") == "seccomp" else "ptrace"

    @property
    def initrd(self) -> Path:
        return self.folder / str(self.values["initrd"]["file"])

    @property
    def node_limit(self) -> int:
        return int(self.values["cluster"]["node_limit"])

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.values["cluster"]["network"])


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
    """Return the values of the manifest for the images of the recipe *loaded*.

    *images* (by key) and *kernel* hold ``file`` and further facts; *kernel* has no ``file`` if the recipe has
    no kernel. *base* holds facts of the base besides its *packages*, which are versions by name. *unverified*
    lists the parts of the recipe that are not verified, *epoch* is SOURCE_DATE_EPOCH in seconds.
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
    """Write the manifest of an image folder. Return its path."""
    path = folder / NAME
    write_text(path, json.dumps(values, indent=2, sort_keys=True) + "\n")
    return path


def read(folder: Path) -> Manifest:
    """Read the manifest of an image folder. Raise ManifestError for a missing, damaged or unknown one.

    An image may come from elsewhere. Raise ManifestError, too, if it would give its nodes other files of this
    machine.
    """
    path = folder / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values["schema"]
    except FileNotFoundError:
        raise ManifestError(f"{folder}: no image has been built here", hint=_BUILD) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: is damaged: {error}", hint=_BUILD) from error
    if isinstance(schema, int) and schema < SCHEMA:
        raise ManifestError(
            f"{path}: was built by an earlier version of this program (schema {schema}, not {SCHEMA})",
            hint=f"{_BUILD}, which builds it again",
        )
    if schema != SCHEMA:
        raise ManifestError(f"{path}: has schema {schema}, this program reads {SCHEMA}", hint=_BUILD)
    try:
        _check(path, values)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestError(f"{path}: is damaged: {error!r}", hint=_BUILD) from error
    return Manifest(folder, values)


def _check(path: Path, values: Mapping[str, Any]) -> None:
    for key in ("root_fs", "initrd", *(key for key in _OPTIONAL_FILES if key in values)):
        name = values[key]["file"]
        _check_name(path, key, name, _NAME_HERE)
        file = path.parent / name
        if file.is_symlink() and file.resolve().parent != path.parent.resolve():
            raise ManifestError(
                f"{file}: is a link out of the image's folder, to {file.readlink()}",
                hint="put the file itself there, if the link is yours",
            )
    if "file" in values["kernel"]:
        _check_name(path, "kernel", values["kernel"]["file"], _KERNEL)
    for index, text in enumerate(values["kernel"].get("parameters", ())):
        problem = parameter_problem(text)
        if problem is not None:
            raise ManifestError(f"{path}: kernel.parameters[{index}]: {problem[0]}", hint=_FOREIGN)
    userspace = values["kernel"].get("userspace", USERSPACES[0])
    if userspace not in USERSPACES:
        raise ManifestError(
            f"{path}: kernel.userspace: {userspace!r} is not one of {', '.join(USERSPACES)}", hint=_FOREIGN
        )
    numbers = {
        "cluster.node_limit": values["cluster"]["node_limit"],
        "cluster.timings.token_ms": values["cluster"].get("timings", {}).get("token_ms", 0),
        "initrd.ramdisk_kib": values["initrd"].get("ramdisk_kib", 0),
        "initrd_memexp.ramdisk_kib": values.get("initrd_memexp", {}).get("ramdisk_kib", 0),
    }
    for key, number in numbers.items():
        if not isinstance(number, int):
            raise ManifestError(f"{path}: {key}: {number!r} is not a number", hint=_FOREIGN)
    network = values["cluster"]["network"]
    try:
        IPv4Network(network if isinstance(network, str) else "")
    except ValueError:
        raise ManifestError(f"{path}: cluster.network: {network!r} is not a network", hint=_FOREIGN) from None


def _check_name(path: Path, key: str, name: object, rule: "re.Pattern[str]") -> None:
    if not isinstance(name, str) or not rule.fullmatch(name):
        raise ManifestError(
            f"{path}: {key}.file: {name!r} is not the name of a file in the image's folder", hint=_FOREIGN
        )
