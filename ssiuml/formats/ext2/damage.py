"""Errors of those who read ext2 images."""

from ssiuml.errors import SsiumlError


class Ext2Error(SsiumlError):
    """An image holds no ext2 file system, or one that is damaged or of an unknown kind; what and where."""
