"""doit's commands, without tracebacks for what a user can cause, and how failures of tasks are printed."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from doit.cmd_base import DoitCmdBase
from doit.cmd_clean import Clean
from doit.cmd_completion import TabCompletion
from doit.cmd_help import Help
from doit.cmd_info import Info
from doit.cmd_list import List
from doit.cmd_run import Run
from doit.cmdparse import CmdOption, CmdParseError
from doit.doit_cmd import DoitMain
from doit.exceptions import InvalidCommand
from doit.reporter import ConsoleReporter

# Of doit's database of finished tasks, which is of no use here: each step has a stamp.
DATABASE_OPTIONS: Final = ("dep_file", "backend")


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """Prints failures to standard error, and last."""

    def _write_failure(self, result: dict[str, Any], write_exception: bool = True) -> None:
        failure = result["exception"]
        self.outstream.flush()
        print(f"{failure.get_name()} - taskid:{result['task'].name}", file=sys.stderr)
        if write_exception:
            print(failure.get_msg().rstrip("\n"), file=sys.stderr)

    def complete_run(self) -> None:
        """Print what failed tasks have printed while doit captured it, unless that is nothing."""
        shown = [each for each in self.failures if any(a.out or a.err for a in each["task"].actions)]
        self.failures: list[dict[str, Any]] = shown
        super().complete_run()


class Command(DoitCmdBase):  # type: ignore[misc]
    """A command of doit that has no database, and prints a line when an option or a file is wrong."""

    def get_options(self) -> list[CmdOption]:
        return [option for option in super().get_options() if option.name not in DATABASE_OPTIONS]

    def parse_execute(self, words: Sequence[str]) -> Any:
        try:
            return super().parse_execute(words)
        except CmdParseError as error:
            # Without the list of options, which doit prints as Python sees it.
            raise InvalidCommand(re.sub(r" \(parsing options: .*", "", str(error), flags=re.S)) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise InvalidCommand(f"{error.filename}: {error.strerror}") from error


class RunTasks(Command, Run):  # type: ignore[misc]
    """``./run TASK``. *folder* is the folder where the user is."""

    name = "run"
    folder = Path()

    def get_reporters(self) -> dict[str, type]:
        return {**super().get_reporters(), "console": Reporter}

    def execute(self, params: Any, args: Sequence[str]) -> Any:
        if params["num_process"] < 0:
            raise InvalidCommand(f"-n {params['num_process']}: is less than 0\n  give 0 or more")
        if isinstance(params["outfile"], str):
            params["outfile"] = str(self.folder / params["outfile"])
        return super().execute(params, args)


class ListTasks(Command, List):  # type: ignore[misc]
    """``./run list``."""

    name = "list"

    def execute(self, params: Any, args: Sequence[str]) -> Any:
        try:
            (params["template"] or "").format(name="", doc="", status="")
        except (LookupError, ValueError) as error:
            raise InvalidCommand(
                f"--template {params['template']}: is not a template: {error}\n"
                "  use {name}, {doc} and {status} in it, and {{ for a brace"
            ) from error
        return super().execute(params, args)


class ShowTask(Command, Info):  # type: ignore[misc]
    """``./run info TASK``."""

    name = "info"

    def _execute(self, pos_args: Sequence[str], hide_status: bool = False) -> Any:
        unknown = set(pos_args) - {task.name for task in self.task_list}
        if unknown:
            raise InvalidCommand(not_found=min(unknown))
        return super()._execute(pos_args, hide_status)


class CleanTasks(Command, Clean):  # type: ignore[misc]
    """``./run clean``."""

    name = "clean"


class ForgetTasks(Command):
    """``./run forget TASK``: the stamps of steps are removed."""

    name = "forget"
    doc_purpose = "have the next run make tasks again"
    doc_usage = "TASK..."
    doc_description = None
    cmd_options = ()

    def _execute(self, pos_args: Sequence[str]) -> None:
        if not pos_args:
            raise InvalidCommand("forget: no task is named\n  name one; ./run list shows them")
        known = {task.name for task in self.task_list}
        for name in pos_args:
            if name not in known:
                raise InvalidCommand(not_found=name)
        for task in self.task_list:
            stamp = (task.meta or {}).get("stamp")
            if stamp is not None and {task.name, task.name.partition(":")[0]} & set(pos_args):
                Path(stamp).unlink(missing_ok=True)
                self.outstream.write(f"forgetting {task.name}\n")


class Main(DoitMain):  # type: ignore[misc]
    """doit with those of its commands that need no database. *folder* is the folder where the user is."""

    BIN_NAME = "./run"
    DOIT_CMDS = (Help, RunTasks, ListTasks, ShowTask, ForgetTasks, CleanTasks, TabCompletion)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        RunTasks.folder = folder
