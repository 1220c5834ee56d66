"""Exit statuses of the commands, and how the errors of a command become one."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import streams
from ssiuml.host.places import make_absolute, place_hint

DONE: Final = 0
FAILED: Final = 1
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130


def run_command(main: Callable[[Sequence[str]], int]) -> int:
    """Call *main* with the arguments of this process. Return its exit status, or that of the error it raises.

    Errors that a user can cause are printed to standard error, without a traceback.
    """
    streams.make_lasting("stderr")  # a cluster is not left half started because nobody reads about it
    streams.name_stdout()
    try:
        try:
            with suppress(FileNotFoundError):  # the folder where the user is may be deleted
                make_absolute(os.environ, Path.cwd())  # nodes and ssh run in other folders
            status = main(sys.argv[1:])
        except SystemExit as end:  # argparse has printed its help, or what is wrong
            if not isinstance(end.code, int):
                raise
            status = end.code
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL
    except SsiumlError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.filename == streams.STDOUT:
            # Python would complain again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif error.filename is None and not isinstance(error, BrokenPipeError):
            raise
        if not isinstance(error, BrokenPipeError):  # else the reader of our output has gone
            message = f"{error.filename}: {error.strerror}"
            hint = place_hint(error, os.environ, "XDG_STATE_HOME")
            print(f"error: {SsiumlError(message, hint=hint)}", file=sys.stderr)
        return FAILED
