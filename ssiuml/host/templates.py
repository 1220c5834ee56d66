"""Text files from templates/ (Jinja2). A variable that is not defined is an error."""

import functools
from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from ssiuml.errors import SsiumlError

if TYPE_CHECKING:
    from jinja2 import Environment


def render(folder: Path, name: str, variables: Mapping[str, Any]) -> str:
    """Return the text of the template *folder*/*name* with *variables*, escaped if it is HTML (.html.j2).

    Raise SsiumlError, with file and line, if the template is missing, malformed, or uses an undefined
    variable.
    """
    try:
        return _environment(folder).get_template(name).render(variables)
    except Exception as error:  # an expression in a template can raise anything
        line = getattr(error, "lineno", None) or _line_in(error, folder / name)
        where = f"{folder / name}:{line}" if line else str(folder / name)
        raise SsiumlError(f"{where}: {type(error).__name__}: {error}") from error


@functools.lru_cache(maxsize=8)
def _environment(folder: Path) -> "Environment":
    """Return what compiles each template of *folder* once, and again if its file has changed."""
    # Imported here: that takes longer than most commands, and they render nothing.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html.j2",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _line_in(error: Exception, template: Path) -> int | None:
    """Return the line of *template* that raised *error*. Jinja2 puts it into the traceback."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(template)]
    return lines[-1] if lines else None
