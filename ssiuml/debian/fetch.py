"""The files of packages: in the cache, or fetched by their exact path, and what they have to be."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ssiuml.debian.deb import Deb, Debs
from ssiuml.errors import SsiumlError
from ssiuml.host.cache import locked
from ssiuml.host.digests import file_sha256
from ssiuml.host.progress import measured
from ssiuml.sources.mirrors import MirrorsError, fetch_from_mirrors


class PackageError(SsiumlError):
    """The file of a package cannot be had."""


class GoneError(PackageError):
    """Archives no longer have packages in these versions; *gone* has them."""

    def __init__(self, gone: Debs) -> None:
        self.gone = gone
        names = ", ".join(f"{name} {deb.version}" for name, deb in gone.items())
        super().__init__(f"the mirrors no longer have {names}")


def path_of(folder: Path, deb: Deb) -> Path:
    """Where the file of a package lies in the cache's *folder*, fetched or not."""
    return folder / deb.file_name


def is_there(path: Path, deb: Deb) -> bool:
    """Whether the file is there and is what it has to be."""
    try:
        return path.stat().st_size == deb.size and file_sha256(path) == deb.sha256
    except FileNotFoundError:
        return False


def fetch_debs(debs: Debs, *, folder: Path, archives: Sequence[str], offline: bool = False) -> None:
    """See to it that *folder* has the files of *debs*; one that is not as it has to be is fetched anew.

    *archives* are the URLs of the archives' roots, tried in this order. Raises GoneError with the files that
    none of them has; PackageError if one cannot be had for another reason, or is not there and *offline*.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder):
        absent = {name: deb for name, deb in debs.items() if not is_there(path_of(folder, deb), deb)}
        if absent and offline:
            raise PackageError(
                f"{', '.join(sorted(absent))}: not in the cache, and nothing may be fetched",
                hint="once without --offline: ./run fetch",
            )
        if absent:
            _fetch(absent, folder, archives)


def _fetch(absent: Debs, folder: Path, archives: Sequence[str]) -> None:
    import requests  # late, as in ssiuml.sources.http

    gone: dict[str, Deb] = {}
    total = sum(deb.size for deb in absent.values())
    with requests.Session() as session, measured("fetch packages", total) as advance:
        for name, deb in absent.items():
            try:
                fetch_from_mirrors(
                    [f"{archive}/{deb.file}" for archive in archives],
                    path_of(folder, deb),
                    sha256=deb.sha256,
                    limit_bytes=deb.size,
                    show=lambda text: None,
                    on_bytes=_difference(advance),
                    session=session,
                )
            except MirrorsError as error:
                if not error.gone:
                    raise PackageError(
                        f"package {name} {deb.version}: {error.message}",
                        hint=f"is there a network, and is {archives[0]} the right mirror?",
                    ) from error
                gone[name] = deb
            except OSError as error:
                raise PackageError(f"{path_of(folder, deb)}: cannot be written: {error.strerror}") from error
    if gone:
        raise GoneError(gone)


def _difference(advance: Callable[[int], None]) -> Callable[[int, int | None], None]:
    before = 0

    def tell(done: int, total: int | None) -> None:
        nonlocal before
        advance(done - before)
        before = done

    return tell


def remove_debs(debs: Debs, folder: Path) -> None:
    """Remove files of packages from the cache's *folder*, those that are there."""
    for deb in debs.values():
        path_of(folder, deb).unlink(missing_ok=True)
