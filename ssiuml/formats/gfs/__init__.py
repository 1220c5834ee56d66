"""What GFS1 and GFS2 have in common: structures, pointer trees, directories, attributes, and writing inodes.

Where the generations differ, a :class:`ssiuml.formats.gfs.generation.Generation` says how.
``gfs1`` and ``gfs2`` import from here and never from each other.
"""
