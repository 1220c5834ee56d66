"""Small folders like those that the three tarballs unpack to, and `make` in them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from files_on_disk import write_files, write_sparse
from programs import LIMIT_S
from project import PROJECT

from ssiuml.release.staging import Staging
from ssiuml.units import MIB

TEMPLATES = PROJECT / "templates" / "release"
ROOT, KERNEL, UTILS = "ssiuml-root-0.1-1", "linux-ssi-6.1-0.1-1", "ssiuml-utils-0.1-1"
VALUES = {
    "recipe": "small",
    "description": "small",
    "filesystem": "gfs2",
    "node_limit": 3,
    "kernel": KERNEL,
    "tested": "Tested.",
    "version": "6.1",
    "origin": "built",
    "packages": "make",
}
KERNEL_FILES = {
    "linux-ssi": b"\x7fELF",
    "config": b"CONFIG_UML=y\n",
    "modules/6.1/kernel/fs/fuse.ko": b"ko",
    "modules/6.1/modules.dep": b"",
    "patches/series": b"",
    "copyright": b"GPL\n",
}
UTILS_FILES = {
    "bin/ssi-start": b"#!/bin/sh\necho started\n",
    "bin/ssi-stop": b"#!/bin/sh\n",
    "lib/ssiuml/python/ssiuml/__init__.py": b"",
    "lib/ssiuml/python/ssiuml/cli/__init__.py": b"",
    "lib/ssiuml/python/sh.py": b"x = 1\n",
    "share/doc/ssiuml-utils/copyright": b"GPL\n",
    "share/doc/ssiuml-utils/README": b"of the documents\n",
}


def _root_files(folder: Path) -> None:
    write_files(folder, {"manifest.json": b"{}\n", "manifest.txt": b"x\n", "initrd-ssi.img": b"i" * 5000})
    pieces = [(at * MIB + 777, bytes(range(1, 256)) * 2000) for at in (0, 7, 33)]
    write_sparse(folder / "root_fs", 64 * MIB, *pieces)


def stage(folder: Path) -> Path:
    """Make the folder of a root, a kernel or the commands, depending on its name; return it."""
    folder.mkdir(parents=True)
    if folder.name.startswith("ssiuml-root"):
        _root_files(folder)
        where, readme = "lib/ssiuml/small", "README-root"
    elif folder.name.startswith("linux"):
        write_files(folder, KERNEL_FILES)
        (folder / "linux-ssi").chmod(0o755)
        where, readme = f"lib/ssiuml/{folder.name}", "README-kernel"
    else:
        write_files(folder, UTILS_FILES)
        where, readme = ".", "README-utils"
    finish(folder, where, readme)
    return folder


def finish(folder: Path, where: str, readme: str) -> None:
    """Add README, Makefile, setup and SHA256SUMS to the files in *folder*."""
    Staging(folder, where, TEMPLATES, 1_000_000_000).finish(readme, VALUES)


def make(
    folder: Path, target: str, *variables: str, umask: int = 0o022, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run make in *folder*, behind the words *before*."""
    return subprocess.run(
        [*before, "make", "-C", folder, target, *variables],
        capture_output=True, text=True, check=False, timeout=LIMIT_S, umask=umask,
    )  # fmt: skip


def make_succeeds(
    folder: Path, target: str, *variables: str, umask: int = 0o022, before: Sequence[str] = ()
) -> str:
    """Run make, which must succeed; return its standard output."""
    done = make(folder, target, *variables, umask=umask, before=before)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_fails(folder: Path, target: str, *variables: str) -> str:
    """Run make, which must fail; return its standard error."""
    done = make(folder, target, *variables)
    assert done.returncode == 2, done.stdout
    return done.stderr
