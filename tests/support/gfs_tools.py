"""Foreign programs that judge file systems, for the tests of several folders."""

import re
import subprocess
from pathlib import Path

from ssiuml.host.run import find_tool


def tool(name: str, *words: str | Path, ok: tuple[int, ...] = (0,)) -> str:
    """Run a program; the test fails with its output unless its status is one of *ok*."""
    program = find_tool(name)
    assert program is not None, f"{name} is missing"
    result = subprocess.run([program, *words], capture_output=True, check=False)
    output = (result.stdout + result.stderr).decode(errors="backslashreplace")
    assert result.returncode in ok, f"{name}: status {result.returncode}\n{output}"
    return output


def without_percentages(output: str) -> str:
    """What fsck.gfs2 said, without the counter that it shows when it takes longer."""
    return re.sub(r"\r? *\d+ percent complete\.\r?", "", output)


def assert_clean(image: Path) -> None:
    """fsck.gfs2 finds nothing to say about *image* besides its own progress."""
    output = without_percentages(tool("fsck.gfs2", "-n", image))
    quiet = ("Initializing", "Validating", "Level 1", "(level 1", "Starting", "fsck.gfs2 complete")
    remarks = [
        line
        for line in output.splitlines()
        if not line.startswith(quiet) and "completed in" not in line and "Reconciling" not in line
    ]
    assert remarks == [], output


def assert_device_numbers(image: Path, address: int, major: int, minor: int) -> None:
    """gfs2_edit reads these numbers in the inode at block *address*; Linux 6.1 shows 0:0 for devices."""
    said = tool("gfs2_edit", "-p", str(address), image).split()
    seen = tuple(said[said.index(name) + 1] for name in ("di_major", "di_minor"))
    assert seen == (str(major), str(minor))
