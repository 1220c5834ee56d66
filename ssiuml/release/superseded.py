"""Which tarballs a new release makes superfluous."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# VERSION-REL of a commit that has no tag (ssiuml.release.version): a state on the way, no release for ever.
_SNAPSHOT: Final = r"[0-9][0-9A-Za-z.]*-[0-9]+\.g[0-9a-f]+(\.dirty)?\.tar\.(bz2|xz|zst)"


def earlier_snapshots(made: Iterable[Path], release: str) -> list[Path]:
    """Tarballs beside those just *made*, called as they are but for their VERSION-REL, here *release*."""
    files = list(made)
    found = []
    for path in files:
        stem, _, _ = path.name.rpartition(f"-{release}.tar.")
        pattern = re.compile(rf"{re.escape(stem)}-{_SNAPSHOT}")
        found += [
            other
            for other in sorted(path.parent.iterdir())
            if other not in files and pattern.fullmatch(other.name)
        ]
    return found
