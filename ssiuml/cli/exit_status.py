"""Exit statuses of the commands, and how the errors of a command become one."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from ssiuml.errors import SsiumlError, UsageError

DONE: Final = 0
FAILED: Final = 1
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130


def run_command(main: Callable[[Sequence[str]], int]) -> int:
    """Call *main* with the arguments of this process. Return its exit status, or that of the error it raises.

    Errors that a user can cause are printed to standard error, without a traceback.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    try:
        return main(sys.argv[1:])
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL
    except SsiumlError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone. With standard output closed Python would complain again on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
