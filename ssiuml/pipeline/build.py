"""The steps of a build: what each depends on, what it does, what it leaves.

This is the other half of the task graph: dodo.py names the tasks, this package says what they do. The
data's way: base, cluster-tools, modules, config, demo and prune give layers; merged they are the tree; the
tree goes into the root image, and parts of it into the RAM disk. Which steps there are the recipe decides.
"""

from typing import Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.pipeline import lock
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.step import Step
from ssiuml.pipeline.steps import (
    base,
    build_root,
    configuration,
    copy_root,
    filesystem,
    initrd,
    layers,
    release,
    storage,
)
from ssiuml.tree.tree import Tree

# Of the tasks with parts: what the part is called that is the step of the task's own name.
OWN_PARTS: Final = {"initrd": "image", "release": "sums"}


class Build:
    """The steps of one plan. Making it reads and writes nothing."""

    def __init__(self, plan: Plan) -> None:
        self._graph = graph = StepGraph(plan)
        base.add_steps(graph)
        storage.add_blank(graph)
        configuration.add_steps(graph)
        storage.add_filesystem(graph)
        layers.add_steps(graph)
        copy_root.add_steps(graph)
        initrd.add_steps(graph)
        build_root.add_steps(graph)
        release.add_steps(graph)

    @property
    def steps(self) -> dict[str, Step]:
        """By name, in an order in which they can be made."""
        return self._graph.steps

    def needed_by(self, *names: str) -> list[Step]:
        """The steps that the tasks *names* are made from, and they, in an order in which they can be made.

        UsageError for a task that has no step.
        """
        needed: set[str] = set()
        todo = [self._step_of(name) for name in names]
        while todo:
            one = todo.pop()
            needed.add(one.name)
            todo.extend(one.after)
        return [one for one in self.steps.values() if one.name in needed]

    def _step_of(self, task: str) -> Step:
        """A task is called as its step, or NAME:PART where that is NAME-PART, or one of OWN_PARTS."""
        name, _, part = task.partition(":")
        called = name if part in ("", OWN_PARTS.get(name)) else f"{name}-{part}"
        if called in self.steps:
            return self.steps[called]
        raise UsageError(
            f"{task}: is no task with a step in this recipe", hint=f"one of {', '.join(self.steps)}"
        )

    def remove_cached(self) -> None:
        """Remove what the cache holds for this plan; other recipes may have to make it again."""
        for forget in self._graph.forgetting:
            forget()

    def tree(self) -> Tree:
        """What is in the root; its layers are made."""
        return self._graph.tree()

    def require_locked(self) -> None:
        """SsiumlError if the plan is frozen and something goes in that is not locked."""
        problems = base.not_locked(self._graph) if self._graph.plan.frozen else []
        if problems:
            raise SsiumlError("\n".join(problems), hint="lock it without --frozen, or undo what has changed")

    def renew_lock(self) -> list[str]:
        """Lock the packages that the mirrors have now; return what changed, as lines for people."""
        return lock.renew(self._graph.plan)

    def check_root(self) -> None:
        """Judge the root by a foreign program; see ssiuml.pipeline.steps.copy_root.check_root."""
        copy_root.check_root(self._graph)

    def command_lines(self) -> list[str]:
        """The command lines of the host's programs that the recipe asks for, in the order of the HOWTO."""
        return filesystem.command_lines(self._graph)
