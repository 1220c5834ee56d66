"""Make doit's tasks of steps: what a task depends on, when it runs, how its errors are shown."""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from doit.exceptions import InvalidTask, TaskFailed
from doit.tools import Interactive

from ssiuml.errors import SsiumlError
from ssiuml.host import session, tools
from ssiuml.host.places import place_hint
from ssiuml.pipeline.step import Step

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph

Task = dict[str, Any]
Loaded = TypeVar("Loaded")


def reported(action: Callable[..., None]) -> Callable[..., TaskFailed | None]:
    """Return *action* changed: an error that a user can cause fails the task with its message alone.

    doit then ends with exit status 1.
    """

    @functools.wraps(action)
    def run(*args: Any, **kwargs: Any) -> TaskFailed | None:
        try:
            action(*args, **kwargs)
        except SsiumlError as error:
            return TaskFailed(str(error))
        except OSError as error:
            if error.filename is None and error.errno is None:
                raise
            message = f"{error.filename or 'the host'}: {error.strerror}"
            hint = place_hint(error, os.environ, "SSIUML_CACHE")
            return TaskFailed(str(SsiumlError(message, hint=hint)))
        return None

    return run


def tasks_of(graph: "Graph", *tasks: str) -> Iterator[Task]:
    """Yield doit's tasks for the steps of *tasks*. A task with several steps has a subtask for each.

    doit's ``clean`` removes what the steps left.
    """
    found = graph.tasks()
    for task in tasks:
        description, steps = found.get(task, ("", []))
        if len(steps) > 1 or any(step.task != task for step in steps):
            yield {"basename": task, "name": None, "doc": description}
        for step in steps:
            yield task_of(step, graph.plan.places.out, doc=description if step.task == task else None)


def task_of(step: Step, out: Path, doc: str | None = None) -> Task:
    """Return the task that makes *step* after the steps before it.

    doit runs it unless the step finds its result still valid. The stamps of the steps before it are no file
    dependencies: a step that is made again may give the same result.
    """

    def make() -> None:
        session.begin(out)
        step.run()

    basename, _, name = step.task.partition(":")
    targets = [step.stamp, *step.files]
    removable = [path for path in (*targets, step.duration_file) if path.is_relative_to(out)]
    return {
        "basename": basename,
        **({"name": name} if name else {}),
        "doc": doc,
        "actions": [reported(make)],
        "task_dep": ["host-tools", *(before.task for before in step.after)],
        "targets": targets,
        "meta": {"stamp": str(step.stamp)},
        "uptodate": [step.is_current],
        "clean": [(reported(clean), [removable, out])],
    }


def clean(paths: Sequence[Path], out: Path, dryrun: bool) -> None:
    """Remove the files *paths* and print their names. Remove folders below *out* that become empty.

    Raise SsiumlError if a build is running.
    """
    if not dryrun and out.is_dir():
        session.begin(out)
    for path in paths:
        if not path.exists():
            continue
        print(f"removing '{path}'")
        if not dryrun:
            path.unlink()
            with suppress(OSError):  # the folder is not empty yet
                while path.parent != out:
                    path = path.parent
                    path.rmdir()


def prints(lines: Callable[..., Iterable[str]], *arguments: object) -> Task:
    """Return a task that prints the lines that *lines* yields."""

    def act(**options: Any) -> None:
        for line in lines(*arguments, **options):
            print(line)

    return {"actions": [(reported(act), [])], "verbosity": 2}


def runs(*commands: Sequence[str], needed: Sequence[tools.HostTool] = (), cwd: Path | None = None) -> Task:
    """Return a task that runs *commands* on the terminal. It first installs or asks for *needed* programs."""
    actions = [Interactive(list(command), shell=False, cwd=cwd) for command in commands]
    return {"actions": [needs(needed), *actions], "task_dep": ["host-tools"], "verbosity": 2}


def needs(programs: Sequence[tools.HostTool]) -> tuple[Any, ...]:
    """Return an action that installs *programs* of the host, or fails and prints the command to type."""
    return (reported(tools.require), [programs])


def load(make: Callable[[], Loaded]) -> Loaded:
    """Call *make* while doit loads the tasks. A user's error ends doit with its message and status 3."""
    try:
        return make()
    except SsiumlError as error:
        raise InvalidTask(str(error)) from error


def python(*words: str) -> list[str]:
    """Return the command line that runs a module, such as ``pytest``, in this Python."""
    return [sys.executable, "-m", *words]


def program(name: str, *words: str) -> list[str]:
    """Return the command line of a program that is installed beside this Python."""
    return [str(Path(sys.executable).with_name(name)), *words]
