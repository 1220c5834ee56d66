"""Where User-Mode Linux keeps its memory, and what must hold there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssiuml.host.uml import memory_folder

REQUIRE = """
import os
from ssiuml.errors import SsiumlError
from ssiuml.host.uml import require_memory_folder
try:
    require_memory_folder(os.environ)
except SsiumlError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/dev/shm"),  # noqa: S108
        ({"TMPDIR": ""}, "/dev/shm"),  # noqa: S108
        ({"TMPDIR": "/a", "TMP": "/b"}, "/a"),
        ({"TMP": "/b", "TEMP": "/c"}, "/b"),
        ({"TEMP": "/c"}, "/c"),
    ],
)
def test_the_folder_is_the_one_that_user_mode_linux_takes(environ: dict[str, str], folder: str) -> None:
    assert memory_folder(environ) == Path(folder)


def _said(folder: Path, options: str, **environ: str) -> str:
    """Return what REQUIRE prints where a tmpfs with *options* is mounted on *folder*."""
    script = f'mount -t tmpfs -o {options} none "$1" && exec "$2" -c "$3"'
    clean = {name: text for name, text in os.environ.items() if name not in ("TMPDIR", "TMP", "TEMP")}
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", folder, sys.executable, REQUIRE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**clean, **environ},
    )
    return done.stdout


def test_a_folder_that_is_mounted_noexec_is_named_with_the_variable_that_chooses_another(
    tmp_path: Path,
) -> None:
    shm = Path("/dev/shm")  # noqa: S108
    for folder, environ in ((shm, {}), (tmp_path, {"TMPDIR": str(tmp_path)})):
        assert _said(folder, "noexec", **environ) == (
            f"{folder}: is mounted noexec; User-Mode Linux has a machine's memory there, programs included\n"
            "  set TMPDIR to a folder that is mounted without noexec, best on a tmpfs\n"
        )
        assert _said(folder, "nosuid", **environ) == ""
    assert _said(shm, "noexec", TMPDIR=str(tmp_path)) == ""
