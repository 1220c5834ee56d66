"""Tarballs of a release: found, compared, and used by an ordinary user who has only them."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from programs import AS_NOBODY, NOBODY

LIMIT_S: Final = 1800.0


class Stranger:
    """An ordinary user with a new home, who has nothing of this project.

    This is the user nobody if root runs the tests, otherwise the user who runs them.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.own(folder)

    @staticmethod
    def own(folder: Path) -> None:
        """Make the stranger the owner of everything in *folder*."""
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
        """Run a program as the stranger, without our environment. Return its output.

        The test fails unless the exit status is *status*.
        """
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
    """Return the tarballs of a release, utils first. With *recipe*, leave out the roots of other recipes."""
    found = sorted(folder.glob("*.tar.*"), key=lambda path: path.name, reverse=True)
    return [path for path in found if recipe in path.name or "-root-" not in path.name]


def compare(one: Path, other: Path) -> str:
    """Return how two files differ, as diffoscope reports it; empty if they do not."""
    if subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0:
        return ""
    program = shutil.which("diffoscope")
    if program is None:
        return f"{one} and {other} differ; install diffoscope to see how"
    report = subprocess.run(
        [program, "--text", "-", "--max-report-size", "20000", one, other],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return report.stdout or f"{one} and {other} differ; diffoscope says: {report.stderr}"
