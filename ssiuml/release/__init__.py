"""Releases: tarballs that install with `make install`, lists of their contents, and checks of both.

Each tarball (root, kernel, utils) is at first a folder with its Makefile, its bill of materials and the
SHA-256 of every file. GNU tar and the recipe's compressor pack it. SHA256SUMS lists the tarballs and may be
signed. No byte depends on where, when or by whom a release is made.
"""
