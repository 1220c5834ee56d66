"""Debian's packages as files: which ones exactly, locked beside the recipe, fetched and verified."""
