"""Runs 32-bit programs of the stand-ins."""

import errno
import subprocess
from pathlib import Path

from ssiuml.host.run import find_tool

LIMIT_S = 30.0


def run_foreign(program: Path, *words: str) -> str:
    """Run a 32-bit program: through the kernel if it can, else qemu."""
    try:
        result = subprocess.run(
            [program, *words], capture_output=True, text=True, check=True, timeout=LIMIT_S
        )
    except OSError as error:
        emulator = find_tool("qemu-i386-static")
        if error.errno != errno.ENOEXEC or emulator is None:
            raise
        words = (str(program), *words)
        result = subprocess.run(
            [emulator, *words], capture_output=True, text=True, check=True, timeout=LIMIT_S
        )
    return result.stdout
