"""Debian's packages: apt without root, which files exactly are locked, fetching them, the base layer."""
