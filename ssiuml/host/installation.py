"""How this package was installed: in a checkout, or by a release in PREFIX/lib/ssiuml/python."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parents[2]
IN_CHECKOUT: Final = (HOME / "dodo.py").is_file()
# Debian packages with the programs that a running cluster needs.
PACKAGES: Final = ("gfs2-utils", "openssh-client", "uml-utilities", "util-linux")


def python_path(environ: Mapping[str, str]) -> str:
    """Return the value of PYTHONPATH with which Python finds this package in any folder and installation.

    A command of a release finds it by sys.path, which a process that it starts does not inherit.
    """
    return os.pathsep.join([str(HOME), *filter(None, [environ.get("PYTHONPATH")])])


def programs_hint() -> str:
    """Return the hint for a missing program: how to install it."""
    if IN_CHECKOUT:
        return "run ./run host-tools"
    return f"run sudo apt-get install --no-install-recommends {' '.join(PACKAGES)}"
