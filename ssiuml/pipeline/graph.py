"""The steps of one build, and the layers that they leave.

Each module in ssiuml.pipeline.steps adds the steps of one task, those that the recipe asks for.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ssiuml.errors import UsageError
from ssiuml.host.cache import entry_of
from ssiuml.host.digests import Values, file_sha256
from ssiuml.pipeline.step import Step

if TYPE_CHECKING:
    from types import ModuleType

    from ssiuml.pipeline.plan import Plan
    from ssiuml.tree.layer import Layer
    from ssiuml.tree.tree import Tree

STEPS: Final = "ssiuml.pipeline.steps"


def step_modules() -> dict[str, "ModuleType"]:
    """Return the modules of the steps by the name of their task: cluster_config has the task cluster-config.

    Each has a function ``add(graph)``. The first line of its docstring describes the task. A module that adds
    a layer has ``OVER``, the name of the layer below it, or None for the lowest. A recipe may lack the layer
    that ``OVER`` names.
    """
    package = importlib.import_module(STEPS)
    names = [each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")]
    return {name.replace("_", "-"): importlib.import_module(f"{STEPS}.{name}") for name in names}


def layer_order(over: Mapping[str, str | None]) -> list[str]:
    """Return the names of the layers, the lowest first. *over* has for each the layer below it.

    Raise ValueError if a layer lies over an unknown one.
    """

    def above(below: str | None) -> Iterator[str]:
        for name in sorted(name for name, other in over.items() if other == below):
            yield name
            yield from above(name)

    order = list(above(None))
    unknown = sorted(over.keys() - set(order))
    if unknown:
        raise ValueError(f"layers that lie over no known layer: {', '.join(unknown)}")
    return order


class Graph:
    """The steps of one plan. A new graph writes nothing and reads only what the plan reads."""

    def __init__(self, plan: "Plan", order: Sequence[str] = ()) -> None:
        """Add the steps of *plan*: first those of the tasks in *order*, then the others.

        In any case a step comes after those that it is made from.
        """
        self.plan = plan
        self.recipe = plan.recipe
        self._steps: dict[str, Step] = {}
        self._forgetting: list[Callable[[], None]] = []
        self._readers: dict[str, Callable[[], Layer]] = {}
        self._read: dict[str, Layer] = {}
        self._modules = step_modules()
        self._waiting = dict(self._modules)  # tasks whose steps are not added yet
        self._adding = __name__  # the module that adds steps now
        over = {name: module.OVER for name, module in self._modules.items() if hasattr(module, "OVER")}
        self._order = layer_order(over)
        for task in (*order, *self._modules):
            self._load(task)

    # For all callers

    @property
    def steps(self) -> dict[str, Step]:
        """The steps by name, in an order in which they can be made."""
        return self._steps

    def __contains__(self, step: str) -> bool:
        """Return whether the recipe has the step *step*."""
        self._load(next((task for task in self._waiting if step == task or step.startswith(f"{task}-")), ""))
        return step in self._steps

    def present(self, *names: str) -> list[str]:
        """Return those of the steps *names* that the recipe has."""
        return [name for name in names if name in self]

    @property
    def layers(self) -> list[str]:
        """The steps that leave a layer, the lowest first."""
        return self.present(*self._order)

    def tasks(self) -> dict[str, tuple[str, list[Step]]]:
        """Return the description and the steps of each task that has steps in this recipe, by its name."""
        found: dict[str, list[Step]] = {}
        for step in self._steps.values():
            found.setdefault(step.task.partition(":")[0], []).append(step)
        return {task: (_description(self._modules[task]), steps) for task, steps in found.items()}

    def needed_by(self, *tasks: str) -> list[Step]:
        """Return the steps of *tasks* and all steps before them, in an order in which they can be made.

        Each of *tasks* names a task, ``initrd:tools``, or a step. Raise UsageError if it is neither.
        """
        needed: set[str] = set()
        todo = [self._step_of(task) for task in tasks]
        while todo:
            step = todo.pop()
            needed.add(step.name)
            todo.extend(step.after)
        return [step for step in self._steps.values() if step.name in needed]

    def _step_of(self, task: str) -> Step:
        for step in self._steps.values():
            if task in (step.name, step.task):
                return step
        raise UsageError(
            f"{task}: is no task with a step in this recipe",
            hint=f"give one of {', '.join(step.task for step in self._steps.values())}",
        )

    def results(self, name: str) -> Values:
        """Return the results of the step *name* when it was last made. Raise StepError if it was not."""
        return self._steps[name].results()

    # For the modules of ssiuml.pipeline.steps, which add steps

    def add(
        self,
        name: str,
        make: Callable[[], Values],
        *files: Path,
        after: Sequence[str] = (),
        inputs: Callable[[], Values] = dict,
        task: str | None = None,
        stamp: Path | None = None,
        modules: Sequence[str] = (),
        by_code: bool = True,
        **more: Any,
    ) -> None:
        """Add a step that is made from the steps named in *after*. Step explains the other arguments.

        The modules of *make*, of the task and of this class are added to *modules*. Without *by_code* there
        are none: the result is the same whatever code makes it.
        """
        for before in after:
            if before not in self:
                raise ValueError(
                    f"step {name}: is made from '{before}', a step that this recipe does not have"
                )
        self._steps[name] = Step(
            name=name,
            task=task or name,
            stamp=stamp or self.plan.places.stamp(name),
            after=tuple(self._steps[before] for before in after),
            modules=tuple(sorted({__name__, self._adding, make.__module__, *modules})) if by_code else (),
            inputs=inputs,
            make=make,
            files=files,
            **more,
        )

    def add_layer(self, name: str, make: "Callable[[], Layer]", **more: Any) -> None:
        """Add a step that writes the layer that *make* returns. It takes the keywords of ``add``."""
        self.add_open_layer(name, lambda: nullcontext(make()), **_with_module(make, more))

    def add_open_layer(
        self, name: str, opened: "Callable[[], AbstractContextManager[Layer]]", **more: Any
    ) -> None:
        """Add a step that writes a layer whose files exist only within the context that *opened* returns."""
        path = self.plan.layer(name)

        def write() -> Values:
            from ssiuml.tree.layer import write_layer

            with opened() as layer:
                write_layer(path, layer)
            self._read.pop(name, None)
            return {"sha256": file_sha256(path)}

        self.add(name, write, path, **_with_module(opened, more))
        self._readers[name] = lambda: _read_layer(path)

    def add_cached_layer(self, name: str, make: Callable[[], Values], **more: Any) -> None:
        """Add a step whose layer is an entry of the cache. *make* returns the values of that entry."""

        def write() -> Values:
            self._read.pop(name, None)
            return make()

        def read() -> "Layer":
            entry = entry_of(self.results(name))
            entry.verify()
            return _read_layer(entry.path)

        self.add(name, write, cached=lambda results: [Path(results["path"])], **_with_module(make, more))
        self._readers[name] = read

    def on_distclean(self, forget: Callable[[], None]) -> None:
        """Have ``remove_cached`` call *forget*, which removes what a step left in the cache."""
        self._forgetting.append(forget)

    # For steps that are being made

    def layer(self, name: str) -> "Layer":
        """Return a finished layer. It is read only once, since several steps need the base."""
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def tree(self, *names: str) -> "Tree":
        """Return the tree that the layers *names* give, the lowest first. Without names, merge all layers."""
        from ssiuml.tree.layer import merge

        return merge(self.layer(name) for name in names or self.layers)

    def remove_cached(self) -> None:
        """Remove what the cache holds for this plan. Other recipes may have to make it again."""
        # In reverse order: a later step finds its entry by the results of earlier ones.
        for forget in reversed(self._forgetting):
            forget()

    def _load(self, task: str) -> None:
        module = self._waiting.pop(task, None)
        if module is not None:
            before, self._adding = self._adding, module.__name__
            module.add(self)
            self._adding = before  # a module asks for the steps of another while it adds its own


def _with_module(make: Callable[[], object], more: Mapping[str, Any]) -> dict[str, Any]:
    return {**more, "modules": (make.__module__, *more.get("modules", ()))}


def _read_layer(path: Path) -> "Layer":
    from ssiuml.tree.layer import read_layer

    return read_layer(path)


def _description(module: "ModuleType") -> str:
    return (module.__doc__ or "").partition("\n")[0]
