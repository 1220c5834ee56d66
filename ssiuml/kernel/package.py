"""Debian's package user-mode-linux: a kernel that is ready, with its modules."""

from pathlib import Path
from typing import Final

from ssiuml.host.cache import Cache, Entry, Key
from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.files import replacing, require_space
from ssiuml.host.run import run
from ssiuml.kernel.packed import KIND, SUFFIX, version_of
from ssiuml.tree.layer import merge, read_layer

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
