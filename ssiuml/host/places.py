"""Where files lie: the checkout, the cache, the images of a recipe, running clusters."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


def cache_root(environ: Mapping[str, str]) -> Path:
    """Return $SSIUML_CACHE, else $XDG_CACHE_HOME/ssiuml, else ~/.cache/ssiuml (XDG base directories)."""
    own = environ.get("SSIUML_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    return _xdg_folder(environ, "XDG_CACHE_HOME", ".cache")


def state_root(environ: Mapping[str, str]) -> Path:
    """Return $XDG_STATE_HOME/ssiuml, else ~/.local/state/ssiuml (XDG base directories)."""
    return _xdg_folder(environ, "XDG_STATE_HOME", ".local/state")


def _xdg_folder(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    base = Path(environ.get(variable, ""))
    # The specification says to ignore a path that is not absolute.
    return (base if base.is_absolute() else Path.home() / below_home) / "ssiuml"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one build: ``project`` is the checkout, ``out`` is images/RECIPE."""

    project: Path
    cache: Path
    out: Path

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
