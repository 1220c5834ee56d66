"""Where files lie: the checkout, the cache, the images of a recipe, running clusters."""

import errno
import os
import pwd
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.host.installation import HOME as PROJECT
from ssiuml.host.installation import IN_CHECKOUT

_FOLDER_SETTINGS: Final = ("SSIUML_CACHE", "TMPDIR")
# Errors of a folder that is no place for files of this user.
_NOT_OURS: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_PLACE: Final = (*_NOT_OURS, errno.ENOENT, errno.ENOTDIR)


def make_absolute(environ: MutableMapping[str, str], folder: Path) -> None:
    """Make what *environ* names relative to the user's *folder* absolute, for programs that run elsewhere."""
    for name in _FOLDER_SETTINGS:
        if environ.get(name, "~")[:1] not in ("~", ""):
            environ[name] = str(folder / environ[name])
    key = environ.get("SSIUML_SIGNING_KEY", "")
    if key and (folder / key).is_file():  # otherwise it names a key of gpg
        environ["SSIUML_SIGNING_KEY"] = str(folder / key)


def user_home(environ: Mapping[str, str]) -> Path | None:
    """Return $HOME if it is an absolute path, else the home in the password database. None: there is none."""
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return Path(home) if home.startswith("/") else None


def cache_root(environ: Mapping[str, str]) -> Path:
    """Return $SSIUML_CACHE, else $XDG_CACHE_HOME/ssiuml, else ~/.cache/ssiuml (XDG base directories).

    Raise UsageError if that needs a home and there is none.
    """
    own = environ.get("SSIUML_CACHE")
    if own and own.startswith("~"):
        try:
            return Path(own).expanduser().absolute()
        except RuntimeError:
            raise UsageError(
                f"SSIUML_CACHE={own}: this home is not known", hint="give it as an absolute path"
            ) from None
    if own:
        return Path(own).absolute()
    return _xdg_folder(environ, "XDG_CACHE_HOME", ".cache", "the cache", "SSIUML_CACHE")


def find_cache(environ: Mapping[str, str]) -> Path | UsageError:
    """Return the cache, or the error that says why it has no place."""
    try:
        return cache_root(environ)
    except UsageError as error:
        return error


def state_root(environ: Mapping[str, str]) -> Path:
    """Return $XDG_STATE_HOME/ssiuml, else ~/.local/state/ssiuml (XDG base directories).

    Raise UsageError if that needs a home and there is none.
    """
    return _xdg_folder(
        environ, "XDG_STATE_HOME", ".local/state", "the state of clusters and pools", "XDG_STATE_HOME"
    )


def _xdg_folder(
    environ: Mapping[str, str], variable: str, below_home: str, what: str, to_be_set: str
) -> Path:
    base = Path(environ.get(variable, ""))
    # The specification says to ignore a path that is not absolute.
    if not base.is_absolute():
        home = user_home(environ)
        if home is None:
            raise UsageError(
                f"{what} has no place: HOME is not set to an absolute path, and user {os.getuid()} "
                "has no home in the password database",
                hint=f"set {to_be_set} or HOME to a folder where you may write",
            )
        base = home / below_home
    return base / "ssiuml"


def place_hint(error: OSError, environ: Mapping[str, str], variable: str) -> str | None:
    """Return how to have files elsewhere, if *error* says that a folder of ours is no place for them.

    *variable* names the folder: SSIUML_CACHE or XDG_STATE_HOME.
    """
    if error.filename is None or error.errno not in _NO_PLACE:
        return None
    path = Path(os.fsdecode(error.filename))
    if error.errno in _NOT_OURS and IN_CHECKOUT and path.is_relative_to(PROJECT / "images"):
        return "make a checkout of your own, or call ./run as the owner of this one"
    try:
        folder = (cache_root if variable == "SSIUML_CACHE" else state_root)(environ)
    except UsageError:
        return None
    # A file that does not exist is an error of its own, unless it is a folder above ours that cannot be made.
    is_inside = path.is_relative_to(folder) and error.errno != errno.ENOENT
    if not is_inside and not folder.is_relative_to(path):
        return None
    by_home = "" if environ.get(variable) else f", or HOME, which is '{environ.get('HOME', '')}',"
    return f"set {variable}{by_home} to a folder where you may write"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one build: ``project`` is the checkout, ``out`` is images/RECIPE.

    ``found_cache`` is the error that cache_root raises for a user without a home, who can still do what needs
    no cache.
    """

    project: Path
    found_cache: Path | UsageError
    out: Path

    @property
    def cache(self) -> Path:
        """The cache. Raise UsageError if it has no place."""
        if isinstance(self.found_cache, UsageError):
            raise self.found_cache
        return self.found_cache

    @property
    def has_cache(self) -> bool:
        return isinstance(self.found_cache, Path)

    @property
    def templates(self) -> Path:
        return self.project / "templates"

    @property
    def cluster_tools(self) -> Path:
        return self.project / "cluster-tools"

    @property
    def layers(self) -> Path:
        return self.out / "layers"

    @property
    def work(self) -> Path:
        """The folder for files that exist only while a build runs."""
        return self.out / "work"

    @property
    def releases(self) -> Path:
        """The folder for the releases of all recipes."""
        return self.project / "images" / "release"

    def stamp(self, step: str) -> Path:
        """Return the path of the stamp of *step*, with its inputs and results; see ssiuml.pipeline.step."""
        return self.out / "steps" / f"{step}.json"
