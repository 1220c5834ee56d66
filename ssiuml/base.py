"""The base layer: the distribution's packages, installed by mmdebstrap without being root (HOWTO 5.1)."""

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ssiuml.apt import Apt, sources_list
from ssiuml.atomic import replacing
from ssiuml.cache import Cache, Entry
from ssiuml.errors import SsiumlError
from ssiuml.layer import Layer, merge, read_layer
from ssiuml.progress import stages
from ssiuml.recipe import Recipe
from ssiuml.run import PLAIN_UMASK, CommandError, run
from ssiuml.sparse import require_space
from ssiuml.steps import Values, digest_of
from ssiuml.tree import Tree

TIMEOUT_S: Final = 3600.0
# The unpacked base, its tar and mmdebstrap's copies of the packages, for some 200 packages.
SPACE_NEEDED_BYTES: Final = 1 << 30
# Counts up when a change here gives other bytes for the same inputs.
VERSION: Final = 1

# What a person does not miss on a cluster node and what makes up half of the small files.
DPKG_OPTIONS: Final = (
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/man/*",
    "path-include=/usr/share/man/man[1-9]/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/bug/*",
)
# Run by sh when all packages are installed; $1 is the folder they are in.
_CUSTOMIZE: Final = (
    # Package scripts make these secrets; each cluster or node makes its own at its first start.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/systemd/random-seed "$1"/var/lib/urandom/random-seed',
    # Caches that programs make again, and that come out differently for root and an ordinary user. Whether
    # man's cache is made at all depends on the host, and so would the time of its folder.
    'rm -rf "$1"/var/cache/man/* && touch "$1"/var/cache/man',
    'find "$1"/usr -name __pycache__ -type d -prune -exec rm -rf {} +',
)


class BaseError(SsiumlError):
    """The base cannot be installed."""


def inputs(recipe: Recipe, epoch: int) -> dict[str, Any]:
    """What decides the bytes of the base; *epoch* is SOURCE_DATE_EPOCH in seconds."""
    return {
        "version": VERSION,
        "sources": sources_list(recipe.packaged),
        "suite": recipe.packaged.suite,
        "packages": sorted(recipe.all_packages),
        "dpkg_options": list(DPKG_OPTIONS),
        "customize": list(_CUSTOMIZE),
        "source_date_epoch": epoch,
    }


def get_or_make(cache: Cache, recipe: Recipe, epoch: int, apt: Apt) -> Entry:
    """Return the base layer's entry; installs the packages if the cache has none for these inputs.

    The entry's facts hold ``packages``: version by name, and ``size_bytes``. Packages in *apt*'s archives
    are not fetched again. Raises CommandError if mmdebstrap fails, SpaceError if the disk is too full.
    """
    values = inputs(recipe, epoch)
    return cache.get_or_make("base", values, ".tar", lambda path: _make(path, recipe, values, apt))


def _make(path: Path, recipe: Recipe, values: Values, apt: Apt) -> Values:
    # mmdebstrap unpacks below TMPDIR. A folder of the cache will not do for that: in a user namespace
    # it runs under ids that cannot enter a private folder of ours.
    # Its name stands for this entry of this cache, whose lock we hold: nobody else works in there.
    scratch = Path(tempfile.gettempdir(), f"ssiuml-base.{os.geteuid()}.{digest_of(str(path.resolve()))[:24]}")
    for folder in {path.parent, scratch.parent}:
        require_space(folder, SPACE_NEEDED_BYTES, "installing the base")
    with replacing(path) as part, _scratch_folder(scratch), stages("base") as show:

        def on_line(line: str) -> None:
            if line.startswith("I: "):
                show(line.removeprefix("I: "))

        run(
            [*PLAIN_UMASK, *_command(recipe, values, apt, part)],
            timeout_s=TIMEOUT_S,
            env={
                "TMPDIR": str(scratch),
                "SOURCE_DATE_EPOCH": str(values["source_date_epoch"]),
                "LC_ALL": "C.UTF-8",
            },
            on_line=on_line,
        )
    tree = merge([read_layer(path)])
    return {"packages": installed_packages(tree), "size_bytes": path.stat().st_size}


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[None]:
    """A folder for mmdebstrap, gone afterwards with all that a killed one has left; also from the last time.

    Its name is known, so that it is found again; whoever else has made it is told.
    """
    _remove(folder)
    try:
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask is: mmdebstrap works in there as another user
    except FileExistsError:
        raise BaseError(f"{folder}: belongs to somebody else", hint="set TMPDIR to another folder") from None
    try:
        yield
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
        return
    # Not into file systems of the host, should one still be mounted in there.
    run(["rm", "-rf", "--one-file-system", "--", folder], timeout_s=TIMEOUT_S)


def _in_private_mounts() -> list[str]:
    """For root: what to put before mmdebstrap, so that it mounts /proc and the like for itself alone."""
    words = ["unshare", "--mount", "--propagation", "private", "--"]
    if os.geteuid() != 0:
        return []
    try:
        run([*words, "true"], timeout_s=TIMEOUT_S)
    except CommandError:
        return []  # a container may forbid it; mmdebstrap then finds out what it can do
    return words


def _command(recipe: Recipe, values: Values, apt: Apt, target: Path) -> list[str]:
    archives = "/var/cache/apt/archives"
    return [
        *_in_private_mounts(),
        "mmdebstrap",
        "--variant=minbase",
        "--architectures=amd64",
        "--format=tar",
        f"--include={','.join(values['packages'])}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        # Take what has been fetched already; mmdebstrap's manual names these three for that.
        "--skip=download/empty",
        f'--setup-hook=mkdir -p "$1"{archives}',
        f"--setup-hook=sync-in {shlex.quote(str(apt.archives))} {archives}",
        *(f"--customize-hook={script}" for script in _CUSTOMIZE),
        recipe.packaged.suite,
        str(target),
        *sources_list(recipe.packaged).splitlines(),
    ]


def installed_packages(tree: Tree) -> dict[str, str]:
    """Version by package name, from the dpkg status file of a tree (deb822 form, dpkg manual)."""
    packages: dict[str, str] = {}
    name = ""
    for line in tree.lookup("var/lib/dpkg/status").read().decode().splitlines():
        key, _, value = line.partition(": ")
        if key == "Package":
            name = value
        elif key == "Version":
            packages[name] = value
    return packages


def layer_of(entry: Entry) -> Layer:
    """The base as a layer, after its bytes were held against the cache's digest."""
    entry.verify()
    return read_layer(entry.path)
