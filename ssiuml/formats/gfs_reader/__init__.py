"""Reads GFS1 and GFS2 without a kernel: lists, extracts and verifies images, damaged ones too.

Nothing read from an image is trusted: no pointer is followed out of the file system, no block twice, and what
is wrong is reported with the block's number and the structure, as a Damaged.
"""
