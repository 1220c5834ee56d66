"""Reads GFS1 and GFS2 without a kernel: lists, extracts and verifies images, damaged ones too.

Nothing in an image is trusted: no pointer is followed out of the file system, and no block is read twice.
Every error found is reported as a Damaged, with the block's number and the structure.
"""
