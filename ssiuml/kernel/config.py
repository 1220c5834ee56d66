"""The configuration of a kernel: options of fragments merged over the default, and checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.kernel import KernelError

_SET: Final = re.compile(r"(CONFIG_\w+)=(.*)")
_UNSET: Final = re.compile(r"# (CONFIG_\w+) is not set")
_OFF: Final = "n"


@dataclass(frozen=True, slots=True)
class Wish:
    """An option as a fragment asks for it; *place* is FILE:LINE."""

    value: str
    place: str


def read_options(text: str) -> dict[str, str]:
    """The options of a .config, "n" for those that are not set.

    Source: Documentation/kbuild/kconfig.rst and the kernel's own files.
    """
    options = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line.strip()):
            options[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line.strip()):
            options[match[1]] = _OFF
    return options


def read_wishes(fragments: Sequence[Path]) -> dict[str, Wish]:
    """What *fragments* ask for; of two that name the same option the later counts.

    KernelError, with file and line, for what is neither an option nor a comment.
    """
    wishes = {}
    for fragment in fragments:
        for number, line in enumerate(
            fragment.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        ):
            place, found = f"{fragment}:{number}", read_options(line)
            if not found and line.strip() and not line.startswith("#"):
                raise KernelError(
                    f"{place}: '{line}' is no option", hint="write CONFIG_NAME=y, or # CONFIG_NAME is not set"
                )
            wishes.update({name: Wish(value, place) for name, value in found.items()})
    return wishes


def require_wishes(wishes: dict[str, Wish], config: Path) -> None:
    """KernelError that names each of *wishes* which the finished *config* does not have."""
    options = read_options(config.read_text(encoding="utf-8"))
    unmet = [
        f"{wish.place}: {name}={wish.value} did not stick, it is {options.get(name, _OFF)}"
        for name, wish in wishes.items()
        if options.get(name, _OFF) != wish.value
    ]
    if unmet:
        raise KernelError(
            "\n".join(unmet),
            hint="what it depends on is missing, it is gone from this kernel, or another option selects it: "
            "look it up with make ARCH=um menuconfig",
        )
