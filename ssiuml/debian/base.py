"""The base layer: the distribution's packages, installed by mmdebstrap without root (HOWTO 5.1).

The packages are chosen before. mmdebstrap gets exactly their files, as an archive of its own.
"""

import os
import pwd
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ssiuml.debian.apt import sources_list
from ssiuml.debian.deb import STATUS, Debs, Selection, paragraphs
from ssiuml.debian.fetch import is_there, path_of
from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache, CacheError, Entry, Key
from ssiuml.host.digests import Values, digest_of
from ssiuml.host.files import replacing, require_space
from ssiuml.host.neutral_names import temporary_folder
from ssiuml.host.progress import stages
from ssiuml.host.run import PLAIN_UMASK, CommandError, run
from ssiuml.recipe.distribution import PackagesDistribution
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Tree

TIMEOUT_S: Final = 3600.0
# The unpacked base, its tar and mmdebstrap's copies of the packages, for some 200 packages.
SPACE_NEEDED_BYTES: Final = 1 << 30

# The words of the host's dynamic linker for a symbol that only its own C library has.
_FAKECHROOT_TOO_OLD: Final = re.compile(r"symbol lookup error: .*/libc\.so\.6: .*, version GLIBC_PRIVATE")

# Nobody misses these on a cluster node, and they are half of the small files.
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
# sh runs this before packages are unpacked; $1 is the folder of the root. usr-is-merged only checks for these
# links, and before Debian 13 no other package but usrmerge makes them. mmdebstrap has such a hook, too, which
# makes other links if the host has debootstrap.
_MERGED_USR: Final = (
    'cd "$1" && for name in bin sbin lib lib64; do mkdir -p "usr/$name" && ln -s "usr/$name" "$name"; done'
)
# dpkg would flush each of ten thousand files to the disk. The tree becomes an archive and is removed.
_UNFLUSHED: Final = "force-unsafe-io"
# sh runs these when all packages are installed; $1 is the folder of the root.
_CUSTOMIZE: Final = (
    # For this installation only: mmdebstrap leaves its options of dpkg in the root.
    f'sed -i "/^{_UNFLUSHED}$/d" "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
    # Package scripts make these secrets. Each cluster or node makes its own at its first start.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/systemd/random-seed "$1"/var/lib/urandom/random-seed',
    # Programs make these caches again, and they differ between root and an ordinary user. Whether man's cache
    # is made at all depends on the host, and so would the time of its folder.
    'rm -rf "$1"/var/cache/man/* && touch "$1"/var/cache/man',
    'find "$1"/usr -name __pycache__ -type d -prune -exec rm -rf {} +',
)


def key(distribution: PackagesDistribution, packages: Iterable[str], selection: Selection, epoch: int) -> Key:
    """Return the key of the base in the cache.

    *packages* are those that the recipe asks for, *selection* has those that are installed for them. *epoch*
    is SOURCE_DATE_EPOCH in seconds.
    """
    inputs = {
        "sources": sources_list(distribution),
        # apt marks these as installed by hand.
        "include": sorted({*packages, *selection.required}),
        "packages": {name: deb.sha256 for name, deb in selection.packages.items()},
        "source_date_epoch": epoch,
    }
    return Key(kind="base", inputs=inputs, suffix=".tar", module=__name__)


def get_or_make(cache: Cache, wanted: Key, debs: Debs, folder: Path) -> Entry:
    """Return the cache's entry of the base layer with the key *wanted*. If there is none, install *debs*.

    The files of *debs* are in *folder*. The entry's facts are ``packages``, version by name, and
    ``size_bytes``. Raise CommandError if mmdebstrap fails, SsiumlError if it installs other packages,
    CacheError if a package's file is damaged, SsiumlError if the disk is too full.
    """
    return cache.get_or_make(wanted, lambda path: _make(path, wanted.inputs, debs, folder))


def _make(path: Path, values: Values, debs: Debs, folder: Path) -> Values:
    # mmdebstrap unpacks below TMPDIR. That cannot be a folder of the cache: in a user namespace mmdebstrap
    # runs under ids that cannot enter our private folders. The name is made from that of the cache entry,
    # whose lock we hold, so no other process works in there.
    scratch = Path(temporary_folder(), f"ssiuml-base.{os.geteuid()}.{digest_of(str(path.resolve()))[:24]}")
    for place in {path.parent, scratch.parent}:
        require_space(place, SPACE_NEEDED_BYTES, "installing the base")
    # Not flushed: the cache compares its entries with their digests before it uses them.
    with replacing(path, flush=False) as part, _scratch_folder(scratch), stages("base") as show:

        def on_line(line: str) -> None:
            if line.startswith("I: "):
                show(line.removeprefix("I: "))

        archive = scratch / "archive"
        _make_archive(archive, debs, folder)
        environment = {
            "TMPDIR": str(scratch),
            "SOURCE_DATE_EPOCH": str(values["source_date_epoch"]),
            "LC_ALL": "C.UTF-8",
        }
        try:
            run(
                [*PLAIN_UMASK, *_command(values, archive, part)],
                timeout_s=TIMEOUT_S,
                env=environment,
                on_line=on_line,
            )
        except CommandError as error:
            if _FAKECHROOT_TOO_OLD.search(error.output):
                raise _needs_subordinate_ids() from error
            raise
        installed = installed_packages(merge([read_layer(part)]))
        _require_same(debs, installed)
    return {"packages": installed, "size_bytes": path.stat().st_size}


def _needs_subordinate_ids() -> SsiumlError:
    """Return the error that mmdebstrap fell back to fakechroot, which cannot run programs of this base.

    fakechroot lets the dynamic linker of the host load the C library of the base. That works only if the two
    are of one version.
    """
    user = pwd.getpwuid(os.geteuid()).pw_name
    return SsiumlError(
        f"the user {user} has no subordinate ids in /etc/subuid and /etc/subgid; without them this machine "
        "can install only a distribution that has the same C library",
        hint=f"have root add 65,536 ids for {user} to both files (subuid(5)), or build the recipe of this "
        "machine's release",
    )


def _make_archive(archive: Path, debs: Debs, folder: Path) -> None:
    """Copy the files of *debs* from *folder* to *archive*, and write the index of an archive of these."""
    archive.mkdir()
    archive.chmod(0o755)  # whatever the umask is: mmdebstrap may read under another id
    for name, deb in debs.items():
        origin, copy = path_of(folder, deb), archive / f"{name}.deb"
        shutil.copyfile(origin, copy)
        copy.chmod(0o644)
        if not is_there(copy, deb):
            origin.unlink()
            raise CacheError(
                f"{origin}: was damaged (its SHA-256 is no longer {deb.sha256})",
                hint="run the same command again: the file has been removed and will be fetched",
            )
    index = archive / "Packages"
    run(["apt-ftparchive", "packages", "."], timeout_s=TIMEOUT_S, cwd=archive, stdout=index)
    index.chmod(0o644)


def _require_same(debs: Debs, installed: dict[str, str]) -> None:
    wanted = {name: deb.version for name, deb in debs.items()}
    if installed != wanted:
        differing = sorted({name for name, _ in installed.items() ^ wanted.items()})
        raise SsiumlError(
            f"mmdebstrap installed other packages than it was given: {', '.join(differing)}",
            hint="run `./run lock` to choose the packages again, if the lock is older than this program",
        )


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[None]:
    """Make *folder* for mmdebstrap, and remove it afterwards.

    Remove first what a killed mmdebstrap has left in it the last time. Raise SsiumlError if another user owns
    it.
    """
    _remove(folder)
    try:
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask is: mmdebstrap may work in it under another id
    except FileExistsError:
        raise SsiumlError(f"{folder}: belongs to another user", hint="set TMPDIR to another folder") from None
    try:
        yield
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
        return
    # --one-file-system: a file system of the host may still be mounted in it.
    run(["rm", "-rf", "--one-file-system", "--", folder], timeout_s=TIMEOUT_S)


def _in_private_mounts() -> list[str]:
    """Return words to put before mmdebstrap, so that nobody else sees what it mounts as root."""
    words = ["unshare", "--mount", "--propagation", "private", "--"]
    if os.geteuid() != 0:
        return []
    try:
        run([*words, "true"], timeout_s=TIMEOUT_S)
    except CommandError:
        return []  # a container may forbid it; mmdebstrap then tries other ways
    return words


def _command(values: Values, archive: Path, target: Path) -> list[str]:
    # With empty lines in between, as in the file that mmdebstrap writes.
    text = values["sources"].strip().replace("\n", "\n\n") + "\n"
    sources = f'printf %s {shlex.quote(text)} >"$1"/etc/apt/sources.list'
    return [
        *_in_private_mounts(),
        "mmdebstrap",
        # The other packages that Debian requires are among those to include.
        "--variant=essential",
        "--architectures=amd64",
        "--format=tar",
        f"--include={','.join(values['include'])}",
        *(f"--dpkgopt={option}" for option in (*DPKG_OPTIONS, _UNFLUSHED)),
        *([f"--setup-hook={_MERGED_USR}"] if "usr-is-merged" in values["packages"] else []),
        *(f"--customize-hook={script}" for script in (*_CUSTOMIZE, sources)),
        "",  # no suite: the archive has only one
        str(target),
        # Trusted, because the SHA-256 of each file was checked when it was copied there.
        f"deb [trusted=yes] copy:{quote(str(archive))} ./",
    ]


def installed_packages(tree: Tree) -> dict[str, str]:
    """Return the versions by package name, from the dpkg status file of *tree*."""
    status = tree.lookup(STATUS).read().decode()
    return {record["Package"]: record["Version"] for record in paragraphs(status)}
