"""Releases: tarballs that install with `make install`, what is in them, and the proof of both.

The data's way: a folder is staged for each tarball (root, kernel, utils) with its Makefile, its bill of
materials and the SHA-256 of every file; GNU tar and the recipe's compressor pack it; SHA256SUMS lists the
tarballs and may be signed. Nothing in there depends on where, when or by whom it is made.
"""

from ssiuml.errors import SsiumlError


class ReleaseError(SsiumlError):
    """A release cannot be made, or is not what it should be."""
