"""What is known of a package's file before it is there, and how apt and dpkg tell of packages."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

STATUS: Final = "var/lib/dpkg/status"  # in a root
# Debian policy, 5.6.1; the name becomes part of a command line and of the name of a file.
PackageName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]


class Exact(BaseModel):
    """A part of a lock file: no change, no unknown key, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Deb(Exact):
    """One version of a package: *file* is its path below an archive's root, *size* in bytes."""

    version: str = Field(pattern=r"^[0-9A-Za-z.+:~-]+$")
    architecture: str = Field(pattern=r"^[a-z0-9-]+$")
    size: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    # No part of it begins with a dot, so none leads upwards.
    file: str = Field(pattern=r"^([0-9A-Za-z][0-9A-Za-z.+~_:-]*/)*[0-9a-z][0-9A-Za-z.+~_:-]*\.deb$")

    @property
    def file_name(self) -> str:
        """What the file is called."""
        return PurePosixPath(self.file).name


# By the name of the package; a system has one version of each.
Debs: TypeAlias = Mapping[str, Deb]


class Selection(Exact):
    """The packages of a system: *packages* is all of them, closed under their dependencies.

    *required* has the names of those that are installed for their own sake besides those asked for: Debian
    calls them required, but not essential. That is the archive's word, a package's file may have another.
    """

    required: list[PackageName]
    packages: dict[PackageName, Deb]


def installed(status: str) -> list[dict[str, str]]:
    """The paragraphs of dpkg's status file, without packages that were removed and left their settings."""
    return [each for each in paragraphs(status) if each["Status"].split()[-1] == "installed"]


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file (deb822(5)): values by the name of the field.

    Of values with several lines only the first is kept.
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
