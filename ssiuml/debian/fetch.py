"""Have the files of packages in the cache: fetch them by their exact paths and verify them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ssiuml.debian.deb import Deb, Debs
from ssiuml.errors import SsiumlError
from ssiuml.host.cache import locked
from ssiuml.host.digests import file_sha256
from ssiuml.host.progress import measured
from ssiuml.sources.mirrors import MirrorsError, fetch_from_mirrors


class GoneError(SsiumlError):
    """The archives no longer have packages in these versions. *gone* has them."""

    def __init__(self, gone: Debs) -> None:
        self.gone = gone
        names = ", ".join(f"{name} {deb.version}" for name, deb in gone.items())
        super().__init__(f"the mirrors no longer have {names}")


def path_of(folder: Path, deb: Deb) -> Path:
    """Return where the file of a package lies in the cache's *folder*, fetched or not."""
    return folder / deb.file_name


def is_there(path: Path, deb: Deb) -> bool:
    """Return whether the file is there, with the size and SHA-256 of *deb*."""
    try:
        return path.stat().st_size == deb.size and file_sha256(path) == deb.sha256
    except FileNotFoundError:
        return False


def fetch_debs(debs: Debs, *, folder: Path, archives: Sequence[str], offline: bool = False) -> None:
    """Fetch the files of *debs* that *folder* does not have, and those that are damaged there.

    *archives* are the URLs of the archives' roots, tried in this order. Raise GoneError with the packages
    that none of them has. Raise SsiumlError if a file cannot be fetched for another reason, or if one is not
    there and *offline* is set.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder):
        absent = {name: deb for name, deb in debs.items() if not is_there(path_of(folder, deb), deb)}
        if absent and offline:
            raise SsiumlError(
                f"{', '.join(sorted(absent))}: not in the cache, and nothing may be fetched",
                hint="run `./run fetch` once without --offline",
            )
        if absent:
            _fetch(absent, folder, archives)


def _fetch(absent: Debs, folder: Path, archives: Sequence[str]) -> None:
    import requests  # here, because importing it takes long; see ssiuml.sources.http

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
                    raise SsiumlError(
                        f"package {name} {deb.version}: {error.message}",
                        hint=f"check the network, and whether {archives[0]} is the right mirror",
                    ) from error
                gone[name] = deb
            except OSError as error:
                raise SsiumlError(f"{path_of(folder, deb)}: cannot be written: {error.strerror}") from error
    if gone:
        raise GoneError(gone)


def _difference(advance: Callable[[int], None]) -> Callable[[int, int | None], None]:
    """Return a function that takes the bytes so far and passes on how many are new."""
    before = 0

    def report(done: int, total: int | None) -> None:
        nonlocal before
        advance(done - before)
        before = done

    return report


def remove_debs(debs: Debs, folder: Path) -> None:
    """Remove the files of *debs* from the cache's *folder*, if they are there."""
    for deb in debs.values():
        path_of(folder, deb).unlink(missing_ok=True)
