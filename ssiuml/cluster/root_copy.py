"""The root of a cluster: a copy of the image's, made at the first start, that survives ssi-stop."""

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
from ssiuml.host.atomic import write_text
from ssiuml.units import format_size


def prepare_root(folder: ClusterFolder, image: Image, *, fresh: bool, keep: bool) -> str | None:
    """Make the cluster's copy if there is none or *fresh*; return a line about it, None if nothing was done.

    UsageError if the copy is of another image, or of the image as it was before, unless *keep*.
    """
    origin = _origin_of(image)
    if folder.root_fs.exists() and not fresh:
        was = _recorded(folder.root_origin)
        if was != origin and not keep:
            raise UsageError(
                f"{folder.root_fs}: {_difference(was, origin)}",
                hint="--fresh copies the image anew and loses what was written to the old root; --keep "
                "goes on with it",
            )
        return None
    size = files.allocated_bytes(image.root_fs)
    files.require_space(folder.path, size, "the cluster's copy of the root")
    started = time.monotonic()
    # Not before the copy: without the record it is taken for another image's.
    folder.root_origin.unlink(missing_ok=True)
    folder.crashed.unlink(missing_ok=True)
    files.copy(image.root_fs, folder.root_fs)
    folder.root_fs.chmod(0o600)
    write_text(folder.root_origin, json.dumps(origin, indent=2, sort_keys=True) + "\n")
    return f"root copied, {format_size(size)} in {time.monotonic() - started:.1f} s"


def lock_root(path: Path) -> int:
    """Open the root under a lock that lasts until the last process with the descriptor has ended.

    Every node's process inherits it: as long as anything of a cluster lives, nobody else gets its root.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SsiumlError(
            f"{path}: is in use by another cluster, or by what is left of one",
            hint="ssi-stop ends a cluster and clears up behind one that was killed",
        ) from None
    return descriptor


def _origin_of(image: Image) -> dict[str, Any]:
    values = image.described.values
    own = {"recipe": values["recipe"], "root_fs": values["root_fs"], "filesystem": values["filesystem"]}
    if image.root_fs != image.described.root_fs:
        state = image.root_fs.stat()
        own["root_fs"] = {
            "file": str(image.root_fs),
            "size_bytes": state.st_size,
            "mtime_ns": state.st_mtime_ns,
        }
    # Through JSON, so that it compares with what is read from there.
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
        return "nobody knows of which image this is a copy"
    if was.get("recipe") != now["recipe"]:
        return f"is a copy of the image of recipe {was.get('recipe')}, not of {now['recipe']}"
    return f"the image of recipe {now['recipe']} has been built anew since this copy of it was made"
