"""The base layer: the distribution's packages, installed by mmdebstrap without being root (HOWTO 5.1).

What is installed is decided before: exactly these files, which mmdebstrap gets as an archive of its own.
"""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ssiuml.debian.apt import sources_list
from ssiuml.debian.deb import STATUS, Debs, Selection, paragraphs
from ssiuml.debian.fetch import is_there, path_of
from ssiuml.errors import SsiumlError
from ssiuml.host.atomic import replacing
from ssiuml.host.cache import Cache, CacheError, Entry, Key
from ssiuml.host.digests import Values, digest_of
from ssiuml.host.files import require_space
from ssiuml.host.progress import stages
from ssiuml.host.run import PLAIN_UMASK, CommandError, run
from ssiuml.recipe.model import Recipe
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Tree

TIMEOUT_S: Final = 3600.0
# The unpacked base, its tar and mmdebstrap's copies of the packages, for some 200 packages.
SPACE_NEEDED_BYTES: Final = 1 << 30

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


def key(recipe: Recipe, selection: Selection, epoch: int) -> Key:
    """What the base is kept under in the cache; *epoch* is SOURCE_DATE_EPOCH in seconds."""
    inputs = {
        "sources": sources_list(recipe.packaged),
        # Both are marked as installed for their own sake.
        "include": sorted({*recipe.all_packages, *selection.required}),
        "packages": {name: deb.sha256 for name, deb in selection.packages.items()},
        "source_date_epoch": epoch,
    }
    return Key(kind="base", inputs=inputs, suffix=".tar", module=__name__)


def get_or_make(cache: Cache, recipe: Recipe, selection: Selection, epoch: int, folder: Path) -> Entry:
    """Return the base layer's entry; installs the packages if the cache has none for these inputs.

    Their files are in *folder*. The entry's facts hold ``packages``: version by name, and ``size_bytes``.
    Raises CommandError if mmdebstrap fails, BaseError if it installs anything else, CacheError if a package's
    file is damaged, SpaceError if the disk is too full.
    """
    wanted = key(recipe, selection, epoch)
    return cache.get_or_make(wanted, lambda path: _make(path, wanted.inputs, selection.packages, folder))


def _make(path: Path, values: Values, debs: Debs, folder: Path) -> Values:
    # mmdebstrap unpacks below TMPDIR. A folder of the cache will not do for that: in a user namespace
    # it runs under ids that cannot enter a private folder of ours.
    # Its name stands for this entry of this cache, whose lock we hold: nobody else works in there.
    scratch = Path(tempfile.gettempdir(), f"ssiuml-base.{os.geteuid()}.{digest_of(str(path.resolve()))[:24]}")
    for place in {path.parent, scratch.parent}:
        require_space(place, SPACE_NEEDED_BYTES, "installing the base")
    with replacing(path) as part, _scratch_folder(scratch), stages("base") as show:

        def on_line(line: str) -> None:
            if line.startswith("I: "):
                show(line.removeprefix("I: "))

        archive = scratch / "archive"
        _make_archive(archive, debs, folder)
        run(
            [*PLAIN_UMASK, *_command(values, archive, part)],
            timeout_s=TIMEOUT_S,
            env={
                "TMPDIR": str(scratch),
                "SOURCE_DATE_EPOCH": str(values["source_date_epoch"]),
                "LC_ALL": "C.UTF-8",
            },
            on_line=on_line,
        )
        installed = installed_packages(merge([read_layer(part)]))
        _require_same(debs, installed)
    return {"packages": installed, "size_bytes": path.stat().st_size}


def _make_archive(archive: Path, debs: Debs, folder: Path) -> None:
    """Copy the files, and write the index of an archive that has these alone."""
    archive.mkdir()
    archive.chmod(0o755)  # as the folder that it is in
    for name, deb in debs.items():
        origin, copy = path_of(folder, deb), archive / f"{name}.deb"
        shutil.copyfile(origin, copy)
        copy.chmod(0o644)  # mmdebstrap may read under an id that is not ours
        if not is_there(copy, deb):
            origin.unlink()
            raise CacheError(
                f"{origin}: was damaged (its SHA-256 is no longer {deb.sha256})",
                hint="it has been removed; the same command again fetches it anew",
            )
    index = archive / "Packages"
    run(["apt-ftparchive", "packages", "."], timeout_s=TIMEOUT_S, cwd=archive, stdout=index)
    index.chmod(0o644)


def _require_same(debs: Debs, installed: dict[str, str]) -> None:
    wanted = {name: deb.version for name, deb in debs.items()}
    if installed != wanted:
        differing = sorted({name for name, _ in installed.items() ^ wanted.items()})
        raise BaseError(
            f"mmdebstrap installed other packages than it was given: {', '.join(differing)}",
            hint="is the lock older than this program? ./run lock chooses anew",
        )


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


def _command(values: Values, archive: Path, target: Path) -> list[str]:
    # With empty lines in between, as mmdebstrap itself writes it.
    text = values["sources"].strip().replace("\n", "\n\n") + "\n"
    sources = f'printf %s {shlex.quote(text)} >"$1"/etc/apt/sources.list'
    return [
        *_in_private_mounts(),
        "mmdebstrap",
        # What else Debian requires is among the packages to include.
        "--variant=essential",
        "--architectures=amd64",
        "--format=tar",
        f"--include={','.join(values['include'])}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        *(f"--customize-hook={script}" for script in (*_CUSTOMIZE, sources)),
        "",  # whatever suite: the archive has no other
        str(target),
        # Trusted, since each file was held against its SHA-256 when it was copied there.
        f"deb [trusted=yes] copy:{quote(str(archive))} ./",
    ]


def installed_packages(tree: Tree) -> dict[str, str]:
    """Version by package name, from the dpkg status file of a tree."""
    status = tree.lookup(STATUS).read().decode()
    return {record["Package"]: record["Version"] for record in paragraphs(status)}
