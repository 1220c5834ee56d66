"""A component of a tarball, for its bill of materials and its manifest.txt.

A module of its own: ssiuml.release.bill imports the CycloneDX library, which takes longer than many tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing that a tarball consists of.

    *purl* is its package URL, *kind* one of CycloneDX's component types. *source* says where it comes from.
    *patches* are the names of the patches that were applied, each with its SHA-256.
    """

    name: str
    version: str
    purl: str
    kind: str = "library"
    licences: Sequence[str] = ()
    source: str = ""
    sha256: str = ""
    patches: Sequence[tuple[str, str]] = ()
