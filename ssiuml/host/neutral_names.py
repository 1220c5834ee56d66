"""Neutral names for files whose own names other languages would take apart: make, scripts, apt's settings.

The kernel's Makefiles split names at blanks and colons, make expands $, a setting of apt ends at a quote. Not
each of them can quote all letters. So a link, or a folder elsewhere, stands for a name with other letters.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError

_NEUTRAL: Final = re.compile(r"[A-Za-z0-9/._+,@=-]+")
_OTHERS: Final = ("/var/tmp", "/tmp")  # noqa: S108 - what is made there has a private folder of its own


def is_neutral(path: Path) -> bool:
    """Return whether no language takes the name apart."""
    return _NEUTRAL.fullmatch(str(path.absolute())) is not None


def temporary_folder() -> Path:
    """Return the folder for temporary files, TMPDIR or another one, that has a neutral name.

    Raise SsiumlError if there is none.
    """
    first = tempfile.gettempdir()
    for folder in map(Path, (first, *_OTHERS)):
        if is_neutral(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise SsiumlError(
        f"{first}: make and apt would take this name apart, and {' and '.join(_OTHERS)} cannot be written to",
        hint="set TMPDIR to a folder whose name has only letters, digits and /._+-",
    )


@contextmanager
def neutral_name(path: Path) -> Iterator[Path]:
    """Yield *path*, or a link to it if its name is not neutral. The link exists as long as the block."""
    if is_neutral(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ssiuml.", dir=temporary_folder()) as folder:
        link = Path(folder, path.name if _NEUTRAL.fullmatch(path.name) else "link")
        link.symlink_to(path.absolute())
        yield link
