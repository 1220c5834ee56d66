"""A project whose recipe takes its packages from a mirror of the tests' own, which changes."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from local_mirror import LocalMirror

from ssiuml.host.digests import Values
from ssiuml.pipeline import lock
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import Plan, make_plan


@dataclass(frozen=True)
class Bench:
    """A project with the recipe ``mine`` and a cache."""

    folder: Path
    mirror: LocalMirror
    cache: str = "cache"

    def recipe(self, name: str = "mine", extends: str = "bookworm", text: str = "") -> None:
        whole = f"description: for a test\nextends: {extends}\n{text}"
        (self.folder / "recipes" / f"{name}.yaml").write_text(whole)

    def mine(self, *, packages: str = "tool", **distribution: str | None) -> None:
        chosen = {"mirror": self.mirror.url, "security_mirror": None, **distribution}
        text = f"distribution: {json.dumps(chosen)}\npackages: [{packages}]\nkernel: {{package: kernel}}\n"
        self.recipe(text=text)

    def plan(self, name: str = "mine", **words: bool) -> Plan:
        return make_plan(name, self.folder, {"SSIUML_CACHE": str(self.folder / self.cache)}, **words)

    def lock(self, name: str = "mine") -> list[str]:
        return lock.renew(self.plan(name))

    def unlock(self) -> None:
        (self.folder / "recipes" / "mine.lock").unlink()
        shutil.rmtree(self.folder / self.cache)

    def fetch(self, name: str = "mine", **words: bool) -> Values:
        step = Graph(self.plan(name, **words)).steps["fetch"]
        step.run()
        assert step.is_current()
        return step.results()

    def locked(self, name: str = "mine") -> Mapping[str, Any]:
        values = yaml.safe_load((self.folder / "recipes" / f"{name}.lock").read_text())
        assert isinstance(values, dict)
        return values

    def elsewhere(self) -> "Bench":
        """The same project as on another machine, with an empty cache."""
        return replace(self, cache="elsewhere")

    def deb(self, name: str) -> Path:
        (path,) = (self.folder / self.cache / "downloads" / "packages").glob(f"{name}_*.deb")
        return path


def move_on(mirror: LocalMirror, *names: str) -> None:
    """Put newer versions of packages into the mirror in place of the older ones."""
    for name in names or ("library",):
        mirror.make(name, "2.0")
    mirror.publish()
