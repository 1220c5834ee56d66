"""Where things lie: the checkout, the cache, what is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


def cache_root(environ: Mapping[str, str]) -> Path:
    """$SSIUML_CACHE, else $XDG_CACHE_HOME/ssiuml, else ~/.cache/ssiuml (XDG base directories)."""
    own = environ.get("SSIUML_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    # The specification: a path that is not absolute is to be ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "ssiuml"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one build. ``project`` is the checkout, ``out`` is images/RECIPE."""

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
        """Files that only exist while a build runs."""
        return self.out / "work"

    @property
    def releases(self) -> Path:
        """What is released, of all recipes."""
        return self.project / "images" / "release"

    def stamp(self, step: str) -> Path:
        """What the step *step* was made from and what it gave; see ssiuml.pipeline.step."""
        return self.out / "steps" / f"{step}.json"
