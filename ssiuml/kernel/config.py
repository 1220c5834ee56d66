"""The configuration of a kernel: options from fragments are merged over the default, then checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError

_SET: Final = re.compile(r"(CONFIG_\w+)=(.*)")
_UNSET: Final = re.compile(r"# (CONFIG_\w+) is not set")
_OFF: Final = "n"


@dataclass(frozen=True, slots=True)
class Option:
    """The value of an option in a fragment, and where it stands: FILE:LINE."""

    value: str
    place: str


def read_options(text: str) -> dict[str, str]:
    """Return the options of a .config by name, with "n" for those that are not set.

    Source: Documentation/kbuild/kconfig.rst and the kernel's own files.
    """
    options = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line.strip()):
            options[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line.strip()):
            options[match[1]] = _OFF
    return options


def require_config(path: Path) -> Path:
    """Return *path*, which the recipe's kernel.config names. Raise SsiumlError if there is no such file."""
    if not path.is_file():
        raise SsiumlError(
            f"kernel.config: there is no file {path}", hint="write the path relative to the recipe's folder"
        )
    return path


def read_fragments(fragments: Sequence[Path]) -> dict[str, Option]:
    """Return the options of *fragments* by name; the last fragment with an option decides.

    Raise SsiumlError, with file and line, if a line is neither an option nor a comment.
    """
    options = {}
    for fragment in fragments:
        for number, line in enumerate(
            fragment.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        ):
            place, found = f"{fragment}:{number}", read_options(line)
            if not found and line.strip() and not line.startswith("#"):
                raise SsiumlError(
                    f"{place}: '{line}' is no option", hint="write CONFIG_NAME=y, or # CONFIG_NAME is not set"
                )
            options.update({name: Option(value, place) for name, value in found.items()})
    return options


def require_options(wanted: dict[str, Option], config: Path) -> None:
    """Raise SsiumlError if options of *wanted* have other values in *config*; name each of them."""
    options = read_options(config.read_text(encoding="utf-8"))
    differing = [
        f"{option.place}: {name}={option.value} did not stick, it is {options.get(name, _OFF)}"
        for name, option in wanted.items()
        if options.get(name, _OFF) != option.value
    ]
    if differing:
        raise SsiumlError(
            "\n".join(differing),
            hint="look the option up with make ARCH=um menuconfig: an option that it depends on is missing, "
            "another one selects it, or this kernel no longer has it",
        )
