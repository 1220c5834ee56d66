"""doit's command line as ./run calls it: from any folder, with our variables, and without tracebacks.

The tasks themselves are in dodo.py; this module knows none of them.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import streams
from ssiuml.host.installation import HOME
from ssiuml.host.places import make_absolute

# What ./run takes as NAME=VALUE, with the values that it takes, or () for any.
VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "recipe": (),
    "offline": ("yes", "no"),
    "frozen": ("yes", "no"),
    "newest": ("yes", "no"),
    "signers": (),
    "tier": (),
}
OPTIONS: Final = {f"--{name}": f"{name}=yes" for name in ("offline", "frozen", "newest")}
# doit works in the checkout; what a user types is relative to the folder where the user is.
FILE_VARIABLES: Final = ("signers",)
FAILED: Final = 1
WRONG_CALL: Final = 3  # doit's status for what is wrong before a task runs
INTERRUPTED: Final = 130


def variable(word: str, folder: Path) -> str:
    """Return *word*, NAME=VALUE, for doit; a file is then an absolute path, by the user's *folder*.

    Raise UsageError if there is no such variable, or if it does not take the value.
    """
    name, _, value = word.partition("=")
    if name not in VARIABLES:
        known = ", ".join(f"{each}=" for each in VARIABLES)
        raise UsageError(f"{word}: there is no variable '{name}'", hint=f"use one of {known}")
    if VARIABLES[name] and value not in VARIABLES[name]:
        allowed = " or ".join(f"{name}={each}" for each in VARIABLES[name])
        raise UsageError(f"{word}: '{value}' is not a value of this variable", hint=f"give {allowed}")
    return f"{name}={folder / value}" if name in FILE_VARIABLES else word


def doits_words(words: Sequence[str], folder: Path) -> list[str]:
    """Return for doit what the user has typed in *folder*. Raise UsageError if a word is wrong."""
    if "" in words:
        raise UsageError("'' is not a task", hint="run ./run list to see the tasks")
    words = [OPTIONS.get(word, word) for word in words]
    return [variable(word, folder) if "=" in word and word[0] != "-" else word for word in words]


def main(words: Sequence[str]) -> int:
    """Run doit in the checkout. Return its exit status."""
    outputs = streams.make_lasting("stdout", "stderr")
    try:
        folder = Path.cwd()
        os.chdir(HOME)
        make_absolute(os.environ, folder)
        words = doits_words(words, folder)
        # Not before: doit keeps the standard output that there is when it is imported.
        from ssiuml.pipeline.doit_commands import Main

        status: int = Main(folder).run(words) or 0  # None from some commands
    except SsiumlError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return WRONG_CALL
    except OSError as error:
        print(f"ERROR: {error.filename or 'the folder where you are'}: {error.strerror}", file=sys.stderr)
        return WRONG_CALL
    except KeyboardInterrupt:  # before the tasks are loaded; see ssiuml.host.session
        return INTERRUPTED
    sys.stdout.flush()
    for name, output in zip(("standard output", "standard error"), outputs, strict=True):
        if output.error is not None:
            print(f"ERROR: {name}: {output.error.strerror}", file=sys.stderr)
            status = status or FAILED
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
