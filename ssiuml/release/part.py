"""What a tarball consists of."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that a tarball consists of. *url* is a package URL (purl); *source* says where it comes from.

    *patches* are names of patches that were applied, with their SHA-256.
    """

    name: str
    version: str
    url: str
    kind: str = "library"  # of CycloneDX's component types
    licences: Sequence[str] = ()
    source: str = ""
    sha256: str = ""
    patches: Sequence[tuple[str, str]] = ()
