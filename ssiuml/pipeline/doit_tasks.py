"""How steps become tasks of doit: what a task depends on, when it runs, how its errors are shown."""

import functools
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidTask, TaskFailed

from ssiuml.errors import SsiumlError
from ssiuml.host import session
from ssiuml.pipeline.step import Step
from ssiuml.pipeline.timings import timing_file

Task = dict[str, Any]


def reported(action: Callable[..., None]) -> Callable[..., TaskFailed | None]:
    """Make an error that a user can cause fail the task with its message alone (doit's exit status 1)."""

    @functools.wraps(action)
    def run(*args: Any, **kwargs: Any) -> TaskFailed | None:
        try:
            action(*args, **kwargs)
        except SsiumlError as error:
            return TaskFailed(str(error))
        except OSError as error:
            if error.filename is None and error.errno is None:
                raise
            return TaskFailed(f"{error.filename or 'the host'}: {error.strerror}")
        return None

    return run


def task_of(step: Step, out: Path, **more: Any) -> Task:
    """The task that makes *step* after the steps before it; ``clean`` removes what it left in *out*.

    doit runs it when a stamp before it changed or the step itself says that its result no longer stands.
    """

    def make() -> None:
        session.begin(out)
        step.run()

    targets = [step.stamp, *step.files]
    removable = [*targets, timing_file(step.stamp)]
    return {
        "actions": [reported(make)],
        "file_dep": [before.stamp for before in step.after],
        "task_dep": ["host-tools"],
        "targets": targets,
        "uptodate": [step.is_current],
        "clean": [(reported(clean), [[path for path in removable if path.is_relative_to(out)], out])],
        **more,
    }


def clean(paths: Sequence[Path], out: Path, dryrun: bool) -> None:
    """Remove files and the folders that are empty then, up to and without *out*; say each.

    Nothing is removed under a build that is running.
    """
    if not dryrun and out.is_dir():
        session.begin(out)
    for path in paths:
        if not path.exists():
            continue
        print(f"removing '{path}'")
        if not dryrun:
            path.unlink()
            with suppress(OSError):  # not empty yet
                while path.parent != out:
                    path = path.parent
                    path.rmdir()


def load(make: Callable[[], Any]) -> Any:
    """Call *make* while doit loads the tasks: a user's error ends doit with its message, status 3."""
    try:
        return make()
    except SsiumlError as error:
        raise InvalidTask(str(error)) from error


def python(*words: str) -> list[str]:
    """A command line of a module of this Python, such as ``pytest``."""
    return [sys.executable, "-m", *words]
