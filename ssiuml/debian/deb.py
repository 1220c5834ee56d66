"""The files of packages as lock files and apt describe them, and the control files of apt and dpkg."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

STATUS: Final = "var/lib/dpkg/status"  # path in a root
# Debian policy, 5.6.1. The name becomes part of a command line and of a file name.
PackageName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]


class Exact(BaseModel):
    """A part of a lock file: frozen; unknown keys and values of another type are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Deb(Exact):
    """One version of a package. *file* is its path below the root of an archive, *size* is in bytes."""

    version: str = Field(pattern=r"^[0-9A-Za-z.+:~-]+$")
    architecture: str = Field(pattern=r"^[a-z0-9-]+$")
    size: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    # No part of the path begins with a dot, so none leads upwards.
    file: str = Field(pattern=r"^([0-9A-Za-z][0-9A-Za-z.+~_:-]*/)*[0-9a-z][0-9A-Za-z.+~_:-]*\.deb$")

    @property
    def file_name(self) -> str:
        """The name of the file, without folders."""
        return PurePosixPath(self.file).name


# By the name of the package; a system has one version of each.
Debs: TypeAlias = Mapping[str, Deb]


class Selection(Exact):
    """The packages of a system: *packages* has all of them, with their dependencies.

    *required* has the names of packages that are marked as installed by hand, besides those that were asked
    for: the archive's index calls them required, but not essential. A package's file may say otherwise.
    """

    required: list[PackageName]
    packages: dict[PackageName, Deb]


def installed(status: str) -> list[dict[str, str]]:
    """Return the paragraphs of dpkg's status file, without those of removed packages that left settings."""
    return [each for each in paragraphs(status) if each["Status"].split()[-1] == "installed"]


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the paragraphs of a control file (deb822(5)), as values by the name of the field.

    Only the first line of a value is kept.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    if fields:
        yield fields
