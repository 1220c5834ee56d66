"""The steps of one plan as they are put together, and the layers that they leave.

Layers lie over each other in the order in which they are added; merged they are the tree.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ssiuml.host.cache import entry_of
from ssiuml.host.digests import Values, file_sha256
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.step import Step
from ssiuml.tree.layer import Layer, merge, read_layer, write_layer
from ssiuml.tree.tree import Tree


class StepGraph:
    """The steps by name, in an order in which they can be made. Adding one reads and writes nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self.steps: dict[str, Step] = {}
        self.layers: list[str] = []  # names of the steps that leave one, the lowest first
        self.forgetting: list[Callable[[], None]] = []  # remove what steps of this plan left in the cache
        self._readers: dict[str, Callable[[], Layer]] = {}
        self._read: dict[str, Layer] = {}

    def add(
        self,
        name: str,
        after: Sequence[str],
        inputs: Callable[[], Values],
        make: Callable[[], Values],
        *files: Path,
        stamp: Path | None = None,
        cached: Callable[[Values], Sequence[Path]] | None = None,
        objections: Callable[[Values], list[str]] | None = None,
        prepare: Callable[[], None] | None = None,
        measured: tuple[str, ...] = (),
        modules: tuple[str, ...] = (),
    ) -> None:
        """Add a step that is made from those called *after*; the rest as in ssiuml.pipeline.step.Step.

        The modules of *make* and of this class are always among *modules*.
        """
        self.steps[name] = Step(
            name=name,
            stamp=stamp or self.plan.places.stamp(name),
            after=tuple(self.steps[before] for before in after),
            modules=tuple(sorted({__name__, make.__module__, *modules})),
            inputs=inputs,
            make=make,
            files=files,
            cached=cached,
            objections=objections,
            prepare=prepare,
            measured=measured,
        )

    def add_layer(
        self, name: str, after: Sequence[str], inputs: Callable[[], Values], make: Callable[[], Layer]
    ) -> None:
        """Add a step that leaves a layer."""
        self.add_open_layer(name, after, inputs, lambda: nullcontext(make()), modules=(make.__module__,))

    def add_open_layer(
        self,
        name: str,
        after: Sequence[str],
        inputs: Callable[[], Values],
        opened: Callable[[], AbstractContextManager[Layer]],
        prepare: Callable[[], None] | None = None,
        modules: tuple[str, ...] = (),
    ) -> None:
        """Add a step that leaves a layer; its contents are there as long as the context of *opened*."""
        path = self.plan.layer(name)

        def write() -> Values:
            with opened() as made:
                write_layer(path, made)
            self.forget_layer(name)
            return {"sha256": file_sha256(path)}

        modules = (opened.__module__, *modules)
        self.add(name, after, inputs, write, path, prepare=prepare, modules=modules)
        self._register_layer(name, lambda: read_layer(path))

    def register_entry(self, name: str) -> None:
        """Make the uppermost layer the entry of the cache that is the result of the step *name*."""

        def read() -> Layer:
            entry = entry_of(self.results(name))
            entry.verify()
            return read_layer(entry.path)

        self._register_layer(name, read)

    def _register_layer(self, name: str, read: Callable[[], Layer]) -> None:
        self.layers.append(name)
        self._readers[name] = read

    def forget_layer(self, name: str) -> None:
        """Read the layer again when it is next asked for."""
        self._read.pop(name, None)

    def layer(self, name: str) -> Layer:
        """A finished layer; read once, since several steps need the base."""
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def tree(self, *names: str) -> Tree:
        """The named layers over each other; without names all of them."""
        return merge(self.layer(name) for name in names or self.layers)

    def results(self, name: str) -> Values:
        """What the step *name* gave when it was last made; StepError if it was not."""
        return self.steps[name].results()
