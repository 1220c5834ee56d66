"""How this package was installed: in a checkout, or by a release in PREFIX/lib/ssiuml/python."""

import sys
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parents[2]
IN_CHECKOUT: Final = (HOME / "dodo.py").is_file()
# Debian packages with the programs that a running cluster needs.
PACKAGES: Final = ("gfs2-utils", "iproute2", "nftables", "openssh-client", "util-linux")
_RUN_MODULE: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def module_command(module: str) -> list[str]:
    """Return the words that run a module of this package, in any folder and installation.

    A command of a release finds the package by sys.path, which a process that it starts does not inherit. It
    cannot be in PYTHONPATH if its folder's name has a colon.
    """
    # -P: no module of the folder where it runs takes the place of one of Python's.
    return [sys.executable, "-P", "-c", _RUN_MODULE, str(HOME), module]


def programs_hint() -> str:
    """Return the hint for a missing program: how to install it."""
    if IN_CHECKOUT:
        return "run ./run host-tools"
    return f"run sudo apt-get install --no-install-recommends {' '.join(PACKAGES)}"
