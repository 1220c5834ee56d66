"""Tarballs of a release: a user without this project unpacks and installs them; comparing two releases."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from release_tools import AS_NOBODY, NOBODY

LIMIT_S: Final = 1800.0


class Stranger:
    """An ordinary user of the machine, with a home of its own and nothing of this project.

    It is the user nobody if the tests run as root, else the user who runs them.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.own(folder)

    @staticmethod
    def own(folder: Path) -> None:
        """Give *folder* and everything below it to this user."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)

    @property
    def prefix(self) -> tuple[str, ...]:
        return AS_NOBODY if os.geteuid() == 0 else ()

    def run(
        self,
        *words: str | Path,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        umask: int = 0o022,
        status: int = 0,
    ) -> str:
        """Run a program as this user, without the variables of the tests; return its output."""
        done = subprocess.run(
            [*self.prefix, *words],
            cwd=cwd or self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8", **(environ or {})},
            umask=umask,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout


def tarballs_in(folder: Path, recipe: str = "") -> list[Path]:
    """Return the tarballs of a release, utils first, without the roots of recipes other than *recipe*."""
    found = sorted(folder.glob("*.tar.*"), key=lambda path: path.name, reverse=True)
    return [path for path in found if recipe in path.name or "-root-" not in path.name]


def compare(one: Path, other: Path) -> str:
    """Return how two files differ, as diffoscope says it. Return an empty text if they are equal."""
    if subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0:
        return ""
    program = shutil.which("diffoscope")
    if program is None:
        return f"{one} and {other} differ; diffoscope would say how"
    told = subprocess.run(
        [program, "--text", "-", "--max-report-size", "20000", one, other],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return told.stdout or f"{one} and {other} differ; diffoscope says: {told.stderr}"
