"""Debian's package user-mode-linux: a kernel that is ready, with its modules."""

from pathlib import Path
from typing import Final

from ssiuml.atomic import replacing
from ssiuml.cache import Cache, Entry, Key
from ssiuml.digests import Values, file_sha256
from ssiuml.kernel.packed import KIND, SUFFIX, version_of
from ssiuml.layer import merge, read_layer
from ssiuml.run import run
from ssiuml.sparse import require_space

TIMEOUT_S: Final = 600.0
SPACE_NEEDED_BYTES: Final = 256 << 20


def unpack(cache: Cache, package: Path) -> Entry:
    """Unpack a kernel .deb to an uncompressed tar in the cache; facts hold the kernel ``version``."""

    def make(path: Path) -> Values:
        require_space(path.parent, SPACE_NEEDED_BYTES, "unpacking the kernel package")
        with replacing(path) as part:
            run(["dpkg-deb", "--fsys-tarfile", package], timeout_s=TIMEOUT_S, stdout=part)
            return {"version": version_of(merge([read_layer(part)]), package)}

    inputs = {"package_sha256": file_sha256(package)}
    return cache.get_or_make(Key(kind=KIND, inputs=inputs, suffix=SUFFIX, module=__name__), make)
