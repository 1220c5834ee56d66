"""How this package came here: in a checkout, or installed by a release in PREFIX/lib/ssiuml/python."""

from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parents[2]
IN_CHECKOUT: Final = (HOME / "dodo.py").is_file()
# Debian's packages with the programs that a running cluster needs.
PACKAGES: Final = ("gfs2-utils", "openssh-client", "uml-utilities", "util-linux")


def programs_hint() -> str:
    """What to do for a program that is missing."""
    if IN_CHECKOUT:
        return "./run host-tools"
    return f"sudo apt-get install --no-install-recommends {' '.join(PACKAGES)}"
