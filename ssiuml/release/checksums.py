"""SHA256SUMS: digests of files as `sha256sum --check` reads them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import file_sha256
from ssiuml.host.files import write_text

NAME: Final = "SHA256SUMS"
_REPAIR: Final = "fetch it again, or remove it and run ./run release"
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([^/\\\x00-\x1f\x7f]+)")


def write_checksums(folder: Path, digests: Mapping[str, str]) -> Path:
    """Write *folder*/SHA256SUMS and return its path; *digests* are SHA-256 by name."""
    path = folder / NAME
    write_text(path, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))
    return path


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 in *folder*/SHA256SUMS by name.

    Raise SsiumlError if the file is missing or is not as write_checksums writes it.
    """
    path = folder / NAME
    try:
        # For sha256sum only a newline ends a line; text mode and splitlines know other ends.
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise SsiumlError(f"{path}: there is no such file", hint="run ./run release") from None
    except UnicodeDecodeError as error:
        raise SsiumlError(f"{path}: is not UTF-8: {error}", hint=_REPAIR) from error
    found = [_LINE.fullmatch(line) for line in lines]
    for number, line in enumerate(found, start=1):
        if line is None:
            raise SsiumlError(
                f"{path}:{number}: is not a line of sha256sum: '{lines[number - 1][:80]}'", hint=_REPAIR
            )
    digests = {line[2]: line[1] for line in found if line is not None}
    if len(digests) != len(lines):
        raise SsiumlError(f"{path}: lists a name twice", hint=_REPAIR)
    return digests


def digests_below(folder: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of every file below *folder*, by its path in there; symbolic links are left out.

    A digest that *known* has for a path is not calculated again.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = {str(path.relative_to(folder)): path for path in files}
    return {name: known.get(name) or file_sha256(path) for name, path in names.items()}
