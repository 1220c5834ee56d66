"""Text files made from templates/ (Jinja2); a variable that a template does not know is an error."""

from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

from ssiuml.errors import SsiumlError


class RenderError(SsiumlError):
    """A template is missing, malformed, or asks for a variable that there is not."""


def render(folder: Path, name: str, variables: Mapping[str, Any]) -> str:
    """Return the text of the template *folder*/*name* with *variables* filled in, in HTML escaped."""
    # Only here: it takes longer than most commands, which render nothing.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html.j2",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template(name).render(variables)
    except Exception as error:  # an expression in a template can raise anything
        line = getattr(error, "lineno", None) or _line_in(error, folder / name)
        where = f"{folder / name}:{line}" if line else str(folder / name)
        raise RenderError(f"{where}: {type(error).__name__}: {error}") from error


def _line_in(error: Exception, template: Path) -> int | None:
    """The line of the template that raised *error*: Jinja2 puts it into the traceback."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(template)]
    return lines[-1] if lines else None
