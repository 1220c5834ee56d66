"""The root of a cluster: a copy of the image's root, made at the first start. It survives ssi-stop."""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from ssiuml.cluster.image_choice import Image
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import files
from ssiuml.host.files import replacing
from ssiuml.units import format_size


def prepare_root(folder: ClusterFolder, image: Image, *, fresh: bool, keep: bool) -> str | None:
    """Copy the root if there is no copy yet, or if *fresh*. Return a line about the copy, None if not copied.

    Raise UsageError if the copy was made from another image, or if the image has been rebuilt since, unless
    *keep*. If copying fails, the old copy stays as it was.
    """
    origin = _origin_of(image)
    if folder.root_fs.exists() and not fresh:
        was = _recorded(folder.root_origin)
        if was != origin and not keep:
            raise UsageError(
                f"{folder.root_fs}: {_difference(was, origin)}",
                hint="give --fresh to copy the image again and lose what was written to this root, or --keep "
                "to go on with it",
            )
        return None
    size = files.allocated_bytes(image.root_fs)
    files.require_space(folder.path, size, "the cluster's copy of the root")
    started = time.monotonic()
    with replacing(folder.root_origin) as record:
        record.write_text(json.dumps(origin, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        with replacing(folder.root_fs) as part:
            files.copy_to_part(image.root_fs, part)
            part.chmod(0o600)
            # Only now, when two renames are left to do: if the copy fails, the old root and its record stay.
            # If this process is killed between the renames, the root has no record and is refused.
            folder.root_origin.unlink(missing_ok=True)
            folder.crashed.unlink(missing_ok=True)
    return f"root copied, {format_size(size)} in {time.monotonic() - started:.1f} s"


def lock_root(path: Path) -> int:
    """Lock the root. Return its descriptor. Raise SsiumlError if the root is in use.

    Every node's process inherits the descriptor, and the lock lasts until the last of them has ended. So no
    other cluster gets the root while a process of this one lives.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SsiumlError(
            f"{path}: is in use by another cluster, or by processes that a killed one has left behind",
            hint="run ssi-stop --cluster NAME; it also ends what a killed cluster has left behind",
        ) from None
    return descriptor


def _origin_of(image: Image) -> dict[str, Any]:
    """Return what identifies the image's root and its build."""
    values = image.described.values
    own = {"recipe": values["recipe"], "root_fs": values["root_fs"], "filesystem": values["filesystem"]}
    if image.root_fs != image.described.root_fs:
        state = image.root_fs.stat()
        own["root_fs"] = {
            "file": str(image.root_fs),
            "size_bytes": state.st_size,
            "mtime_ns": state.st_mtime_ns,
        }
    # Through JSON, so that it is equal to what _recorded reads.
    result: dict[str, Any] = json.loads(json.dumps(own))
    return result


def _recorded(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return values
    return {}


def _difference(was: dict[str, Any], now: dict[str, Any]) -> str:
    if not was:
        return "the image that this root was copied from is not known"
    if was.get("recipe") != now["recipe"]:
        return f"is a copy of the image of recipe {was.get('recipe')}, not of recipe {now['recipe']}"
    return f"the image of recipe {now['recipe']} has been rebuilt since it was copied to this root"
