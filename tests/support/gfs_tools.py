"""Programs of others that check file systems, for the tests of several folders."""

import re
import subprocess
from pathlib import Path

from ssiuml.host.run import find_tool


def tool(name: str, *words: str | Path, ok: tuple[int, ...] = (0,)) -> str:
    """Run a program and return its output. Fail the test unless its status is one of *ok*."""
    program = find_tool(name)
    assert program is not None, f"{name} is missing"
    result = subprocess.run([program, *words], capture_output=True, check=False)
    output = (result.stdout + result.stderr).decode(errors="backslashreplace")
    assert result.returncode in ok, f"{name}: status {result.returncode}\n{output}"
    return output


def without_percentages(output: str) -> str:
    """Return the output of fsck.gfs2 without the counter that it shows in a longer run."""
    return re.sub(r"\r? *\d+ percent complete\.\r?", "", output)


def assert_clean(image: Path) -> None:
    """Assert that fsck.gfs2 reports nothing about *image* besides its own progress."""
    output = without_percentages(tool("fsck.gfs2", "-n", image))
    quiet = ("Initializing", "Validating", "Level 1", "(level 1", "Starting", "fsck.gfs2 complete")
    remarks = [
        line
        for line in output.splitlines()
        if not line.startswith(quiet) and "completed in" not in line and "Reconciling" not in line
    ]
    assert remarks == [], output


def assert_device_numbers(image: Path, address: int, major: int, minor: int) -> None:
    """Assert that gfs2_edit shows these numbers of the inode at *address*; Linux 6.1 shows only 0:0."""
    said = tool("gfs2_edit", "-p", str(address), image).split()
    seen = tuple(said[said.index(name) + 1] for name in ("di_major", "di_minor"))
    assert seen == (str(major), str(minor))
