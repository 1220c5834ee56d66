"""Structures, pointer trees, directories, attributes and the inode writer that GFS1 and GFS2 share.

Where the two differ, an :class:`ssiuml.formats.gfs.inode_format.InodeFormat` holds the difference.
``gfs1`` and ``gfs2`` import from here and never from each other.
"""
