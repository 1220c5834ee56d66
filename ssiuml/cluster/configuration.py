"""~/.ssiuml/ssiuml.conf: files that are used instead of an image's own (HOWTO 2.4)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.errors import UsageError

KEYS: Final = ("KERNEL", "ROOT", "CIDEV", "INITRD", "INITRD_MEMEXP")
_LINE: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


def configuration_file(home: Path) -> Path:
    return home / ".ssiuml" / "ssiuml.conf"


def read_configuration(path: Path, home: Path) -> Mapping[str, Path]:
    """Read KEY=value lines; no file is an empty one. UsageError names file, line, value and what was
    expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    values: dict[str, Path] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, value = _read_line(f"{path}:{number}", line)
        if key in values:
            raise UsageError(f"{path}:{number}: {key} is set a second time", hint="remove one of the lines")
        values[key] = _existing(f"{path}:{number}: {key}", value, home)
    return values


def _read_line(place: str, line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UsageError(
            f"{place}: '{line.strip()}' is not of the form KEY=value", hint=f"keys: {' '.join(KEYS)}"
        )
    key, value = match.groups()
    if key not in KEYS:
        raise UsageError(f"{place}: unknown key {key}", hint=f"keys: {' '.join(KEYS)}")
    # Old files may be fragments of shell: KEY="value".
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if not value:
        raise UsageError(f"{place}: {key} has no value", hint="name a file, or remove the line")
    return key, value


def _existing(place: str, value: str, home: Path) -> Path:
    for prefix in ("~/", "$HOME/", "${HOME}/"):
        if value.startswith(prefix):
            value = os.path.join(home, value.removeprefix(prefix))  # noqa: PTH118 - a joined text
            break
    path = Path(value)
    if not path.is_absolute():
        raise UsageError(f"{place}={value}: is not an absolute path", hint="begin it with / or ~/")
    if not path.is_file():
        raise UsageError(f"{place}={value}: there is no such file", hint="build it, or remove the line")
    return path
