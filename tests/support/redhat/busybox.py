"""Debian's static busybox for 32-bit PCs: the stand-in for the shell and tools that scripts call."""

import os
import shutil
from pathlib import Path
from typing import Final

from filelock import FileLock

from ssiuml.debian.apt import Apt, archives
from ssiuml.debian.fetch import fetch_debs, path_of
from ssiuml.host.files import replacing
from ssiuml.host.places import cache_root
from ssiuml.host.run import run
from ssiuml.recipe.distribution import PackagesDistribution

_PACKAGE: Final = "busybox-static"
_LIMIT_S: Final = 600.0


def fetch_busybox() -> Path:
    """Return the path of busybox in the cache. If it is not there, apt fetches and verifies its package."""
    folder = cache_root(os.environ) / "tests" / "busybox-i386"
    program = folder / "busybox"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock", timeout=_LIMIT_S):
        if not program.is_file():
            _fetch(folder, program)
    return program


def _fetch(folder: Path, program: Path) -> None:
    mirror = "http://deb.debian.org/debian"
    distribution = PackagesDistribution(name="debian", suite="bookworm", mirror=mirror)
    apt = Apt(folder / "apt", distribution, architecture="i386")
    apt.update()
    deb = apt.find(_PACKAGE)
    fetch_debs({_PACKAGE: deb}, folder=folder / "debs", archives=archives(distribution))
    run(["dpkg-deb", "--extract", path_of(folder / "debs", deb), folder / "package"], timeout_s=_LIMIT_S)
    with replacing(program) as part:
        shutil.copy2(folder / "package/bin/busybox", part)
    for name in ("package", "debs"):
        shutil.rmtree(folder / name)
    shutil.rmtree(folder / "apt")
