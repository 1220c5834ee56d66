"""The folder that becomes a tarball: README, Makefile and digests are added to its files."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ssiuml.host.templates import render
from ssiuml.release import checksums

TEMPLATES: Final = "release"  # below templates/
SETUP: Final = "setup"


@dataclass(frozen=True, slots=True)
class Staging:
    """A folder with the name of the tarball; `make install` puts its files into PREFIX/*where*.

    *templates* is the folder with README, Makefile and setup. *epoch* is the time of the files in the
    tarball, in seconds since 1970.
    """

    folder: Path
    where: str
    templates: Path
    epoch: int

    @property
    def name(self) -> str:
        return self.folder.name

    def finish(self, readme: str, values: Mapping[str, Any], known: Mapping[str, str] | None = None) -> None:
        """Add README, Makefile, setup and, last, SHA256SUMS with the digest of every file.

        *readme* names the template of README, *values* are its variables. *known* are digests by path in the
        folder that need not be calculated again.
        """
        variables = {**values, "name": self.name, "where": self.where}
        (self.folder / "README").write_text(render(self.templates, f"{readme}.j2", variables), "utf-8")
        (self.folder / "Makefile").write_text(render(self.templates, "Makefile.j2", variables), "utf-8")
        shutil.copyfile(self.templates / SETUP, self.folder / SETUP)
        checksums.write_checksums(self.folder, checksums.digests_below(self.folder, known or {}))
