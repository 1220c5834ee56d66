"""The parts of a built image that User-Mode Linux can be tried with."""

from dataclasses import dataclass
from pathlib import Path

from checkouts import Checkout

from ssiuml.host.cache import Entry, entry_of
from ssiuml.kernel.packed import modules_layer
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import make_plan
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Tree


@dataclass(frozen=True)
class Parts:
    """A kernel, the package that it comes from, and the archive with a base."""

    kernel: Path
    package: Entry
    base: Path

    @property
    def version(self) -> str:
        return str(self.package.facts["version"])

    def tree(self) -> Tree:
        """The base with all of the kernel's modules; recipes choose some."""
        return merge([read_layer(self.base), modules_layer(self.package, None)])


def parts_of(built: Checkout) -> Parts:
    plan = make_plan(built.recipe, built.folder, {"SSIUML_CACHE": str(built.cache)})
    steps = Graph(plan).steps
    return Parts(
        kernel=plan.kernel,
        package=entry_of(steps["kernel"].results()["entry"]),
        base=Path(steps["base"].results()["path"]),
    )
