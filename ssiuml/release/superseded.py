"""Which tarballs a new release makes superfluous."""

import re
from pathlib import Path
from typing import Final

# VERSION-REL of a commit that has no tag (ssiuml.release.version): a state on the way, no release for ever.
_SNAPSHOT: Final = r"[0-9][0-9A-Za-z.]*-[0-9]+\.g[0-9a-f]+(\.dirty)?\.tar\.(bz2|xz|zst)"


def other_snapshots(made: Path, release: str) -> list[Path]:
    """Tarballs beside the one just *made*, called as it is but for its VERSION-REL, which is *release*."""
    stem, _, _ = made.name.rpartition(f"-{release}.tar.")
    pattern = re.compile(rf"{re.escape(stem)}-{_SNAPSHOT}")
    return [path for path in sorted(made.parent.iterdir()) if path != made and pattern.fullmatch(path.name)]
